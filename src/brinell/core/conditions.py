"""Conditions on a metric, such as `worst_case within 2/255 >= -0.02`: read by a grammar, never evaluated as code.

    condition = METRIC [under ATTACK] [within RADIUS [NORM]] [on RUNTIME] [of VARIANT] OPERATOR NUMBER[%]
                [at p < LEVEL]
    operator  = < | <= | > | >=

ATTACK (or a corruption), RUNTIME and VARIANT are names, in quotes where they hold blanks; ATTACK and VARIANT may hold
`*`. RADIUS is a number or a ratio, in
`linf` unless NORM is `l2` or `l1`. What the number is measured against is decided by those who use the condition.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Final

from brinell.core.errors import ConfigurationError
from brinell.core.spec import parse_fraction

OPERATORS: Final[dict[str, Callable[[float, float], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
GRAMMAR: Final = "METRIC [under ATTACK] [within RADIUS [NORM]] [on RUNTIME] [of VARIANT] < | <= | > | >= NUMBER[%]"
NORMS: Final = ("linf", "l2", "l1")
_TOKEN: Final = re.compile(r"""\s*(?:"([^"]*)"|'([^']*)'|(<=|>=|<|>)|([^\s<>"']+))""")
_FILTERS: Final = {"under": "attack", "within": "radius", "on": "runtime", "of": "variant"}
_LEVEL: Final = re.compile(r"\s+at\s+p\s*<\s*(\S+)\s*$")
_SLACK: Final = 1e-9
"""Relative difference at which two radii are the same: `2/255` as a ratio and in decimals."""

_Word = tuple[str, str]
"""A text, and whether it is a `word`, `quoted` or an `operator`."""


@dataclass(frozen=True)
class Condition:
    """One condition as it was written."""

    text: str
    metric: str
    operator: str
    limit: float
    percent: bool = False
    signed: bool = False
    """Whether the number was written with a sign."""
    attack: str | None = None
    variant: str | None = None
    radius: float | None = None
    norm: str = "linf"
    """Of the radius."""
    runtime: str | None = None
    """What computes the network whose latency or energy is measured."""
    level: float | None = None
    """The p-value that a change has to be under as well."""

    def holds(self, value: float) -> bool:
        """Whether `value` is on the right side of the limit."""
        return OPERATORS[self.operator](value, self.limit)

    @property
    def from_below(self) -> bool:
        """Whether the limit is the least that is accepted."""
        return self.operator.startswith(">")

    def selects_variant(self, name: str) -> bool:
        """Whether it is on the variant of that name."""
        return self.variant is None or fnmatchcase(name, self.variant)

    def selects_attack(self, name: str) -> bool:
        """Whether it is on the attack of that name."""
        return self.attack is None or fnmatchcase(name, self.attack)

    def selects_radius(self, norm: str, epsilon: float | None) -> bool:
        """Whether it is on readings at that radius; one without a radius is on all."""
        if self.radius is None:
            return True
        return norm == self.norm and epsilon is not None and math.isclose(epsilon, self.radius, rel_tol=_SLACK)


def parse_condition(text: str, metrics: Sequence[str], place: str = "") -> Condition:
    """Read a condition on one of `metrics`; `place` names where it stands, in errors.

    Raises:
        ConfigurationError: it does not follow the grammar; the message says where, and what would.
    """
    prefix = f"{place} {text!r}" if place else repr(text)
    try:
        return _parsed(text, metrics, place)
    except _RefusedError as error:
        raise ConfigurationError(f"{prefix}: {error}; it reads {GRAMMAR}") from None


class _RefusedError(Exception):
    """What of a text is not accepted."""


def _parsed(written: str, metrics: Sequence[str], place: str) -> Condition:
    text = written
    level, tested = None, _LEVEL.search(text)
    if tested is not None:
        level, text = _level(tested[1]), text[: tested.start()]
    words = _words(text)
    metric = words[0][0] if words else ""
    if metric not in metrics:
        near = get_close_matches(metric, metrics, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise _RefusedError(f"{metric!r} is no metric; {hint}there are {', '.join(metrics)}")
    filters, norm, rest = _filters(words[1:], place)
    if len(rest) != 2 or rest[0][1] != "operator":
        found = " ".join(word for word, _ in rest) or "nothing"
        raise _RefusedError(f"expected an operator and a number after {metric!r}, found {found!r}")
    number = rest[1][0]
    return Condition(
        written,
        metric,
        rest[0][0],
        _number(number.removesuffix("%"), number),
        percent=number.endswith("%"),
        signed=number.startswith(("+", "-")),
        attack=filters.get("attack"),
        variant=filters.get("variant"),
        radius=None if "radius" not in filters else _radius(filters["radius"]),
        norm=norm,
        runtime=filters.get("runtime"),
        level=level,
    )


def _filters(rest: list[_Word], place: str) -> tuple[dict[str, str], str, list[_Word]]:
    """What `under`, `within`, `on` and `of` name, the norm of the radius, and the words after them."""
    filters: dict[str, str] = {}
    norm = NORMS[0]
    while len(rest) >= 2 and rest[0][1] == "word" and rest[0][0] in _FILTERS:
        name = _FILTERS[rest[0][0]]
        if name in filters:
            repeat = f"repeat {place} for" if place.startswith("--") else "write"
            raise _RefusedError(f"{rest[0][0]!r} stands twice; {repeat} another {name}")
        if rest[1][1] == "operator":
            break
        filters[name] = rest[1][0]
        rest = rest[2:]
        if name == "radius" and rest and rest[0][0] in NORMS:
            norm, rest = rest[0][0], rest[1:]
    return filters, norm, rest


def _level(text: str) -> float:
    level = _number(text, text)
    if not 0 < level < 1:
        raise _RefusedError(f"a p-value is between 0 and 1, not {text}")
    return level


def _number(text: str, written: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise _RefusedError(f"{written!r} is no number")
    return number


def _radius(text: str) -> float:
    try:
        radius = float(parse_fraction(text))
    except ValueError:
        radius = math.nan
    if not (math.isfinite(radius) and radius > 0):
        raise _RefusedError(f"{text!r} is no radius; a positive number or a ratio such as 2/255 is")
    return radius


def _words(text: str) -> list[_Word]:
    words, place = [], 0
    text = text.rstrip()
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None:
            raise _RefusedError(f"a quote that nothing ends: {text[place:]!r}")
        double, single, sign, word = found.groups()
        if sign is not None:
            words.append((sign, "operator"))
        else:
            quoted = double if double is not None else single
            words.append((word, "word") if quoted is None else (quoted, "quoted"))
        place = found.end()
    return words
