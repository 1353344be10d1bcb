"""How numbers are written for people: one way for each kind, and one word for what is not known."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from brinell.analysis import SIGNIFICANCE

MISSING = "missing"
NOTHING = "\u2013"
_MINUS, _NARROW, _TIMES = "\u2212", "\u202f", "\u00d7"
_RADII = ("epsilon", "step_size")


def percent(share: float | None, digits: int = 1) -> str:
    """`0.972` as `97.2%`."""
    return MISSING if share is None else f"{_signless(100 * share, digits)}%"


def interval(low: float | None, high: float | None) -> str:
    """Bounds of a share in percent: `95.4-98.3`, with a dash."""
    return "" if low is None or high is None else f"{100 * low:.1f}\u2013{100 * high:.1f}"


def percentage_points(difference: float | None) -> str:
    """A difference of two shares in percentage points, signed."""
    if difference is None:
        return MISSING
    return f"{'+' if difference > 0 else _MINUS if difference < 0 else ''}{abs(100 * difference):.1f}"


def radius(epsilon: float | None, norm: str = "linf") -> str:
    """A radius: `2/255` for linf, a plain number for other norms; none for a minimum-norm attack."""
    if epsilon is None:
        return "minimum norm"
    if norm != "linf" or epsilon == 0:
        return _short(epsilon)
    return f"{_short(255 * epsilon)}/255"


def stress(value: float, quantity: str, norm: str = "linf") -> str:
    """A stress between readings, with two digits: `5.3/255`, `12 steps`."""
    if quantity == "steps":
        return f"{_two(value)} steps"
    return f"{_two(255 * value)}/255" if norm == "linf" and value else _two(value)


def distance(value: float, norm: str = "linf") -> str:
    """A perturbation's size, with two digits: `5.3/255` for linf, `0.53` for other norms."""
    return stress(value, "epsilon", norm)


def point(epsilon: float | None, steps: int, norm: str = "linf") -> str:
    """A point: `2/255, 20 steps`; a single step goes without saying."""
    return (
        radius(epsilon, norm)
        if steps <= 1 and epsilon is not None
        else f"{radius(epsilon, norm)}, {pluralize(steps, 'step')}"
    )


def size(count: float | None) -> str:
    """Bytes, in units of 1000."""
    if count is None:
        return MISSING
    for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= unit:
            return f"{three(count / unit)}{_NARROW}{name}"
    return f"{count:.0f}{_NARROW}B"


def quantity(count: float | None) -> str:
    """A count, shortened: `1.24 M`."""
    if count is None:
        return MISSING
    for unit, name in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= unit:
            return f"{three(count / unit)}{_NARROW}{name}"
    return _short(count)


def ratio(value: float | None) -> str:
    """A factor: `14.8x`, with the sign for times."""
    return MISSING if value is None else f"{three(value)}{_TIMES}"


def times(value: float) -> str:
    """A factor in a sentence: two digits will do."""
    return f"{value:.2g}{_TIMES}" if value < 100 else f"{value:,.0f}{_TIMES}"


def chance(p_value: float) -> str:
    """A p-value: two digits, or as many as it takes to see on which side of the level it is."""
    if p_value < 0.001:
        return "p < 0.001"
    shown = (f"{p_value:.{digits}g}" for digits in range(2, 18))
    return f"p = {next(text for text in shown if (float(text) < SIGNIFICANCE) == (p_value < SIGNIFICANCE))}"


def count_range(counts: Iterable[int]) -> str:
    """`400`, or from the fewest to the most: `1,000 to 5,000`; `0` of none."""
    found = sorted(set(counts)) or [0]
    return f"{found[0]:,}" if len(found) == 1 else f"{found[0]:,} to {found[-1]:,}"


def indistinguishable(examples: int) -> str:
    """What a paired test says that finds no difference: `not distinguishable on n = 20`."""
    return f"not distinguishable on n = {examples:,}"


def pluralize(count: int, noun: str) -> str:
    """`1 example`, `1,000 examples`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def elided(name: str, length: int = 44) -> str:
    """A long name without its middle."""
    return name if len(name) <= length else f"{name[: length - 16]}…{name[-15:]}"


def listing(words: list[str]) -> str:
    """`a, b and c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""


def settings(spec: Mapping[str, Any]) -> str:
    """An attack's hyper-parameters but for what is swept: `step_size 0.5/255, restarts 1`."""
    norm = str(spec.get("norm", "linf"))
    shown = {name: value for name, value in spec.items() if name not in ("kind", "revision", "epsilon", "steps")}
    return ", ".join(f"{name} {_setting(name, value, norm)}" for name, value in shown.items() if value is not None)


def _setting(name: str, value: object, norm: str) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return radius(value, norm) if name in _RADII else _short(value)
    return str(value)


def _short(value: float) -> str:
    if not math.isfinite(value):
        return str(value)
    text = f"{value:.6g}"
    return f"{value:.3g}" if len(text) > 5 else text


def _two(value: float) -> str:
    """Two significant digits, without an exponent where there need be none."""
    return f"{float(f'{value:.2g}'):.6g}"


def three(value: float) -> str:
    """Three significant digits, without an exponent."""
    return f"{value:.{max(0, 2 - math.floor(math.log10(value)))}f}" if 0 < value < 1000 else f"{value:,.0f}"


def _signless(value: float, digits: int) -> str:
    text = f"{value:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", _MINUS)
