"""Requirements: conditions that a variant must meet, on its own values or against its baseline's.

A number with a sign is a change against the baseline (`clean_accuracy >= -0.01`, `encoded_bytes <= -50%`); a number
without one is the value itself (`clean_accuracy >= 0.9`, `encoded_bytes <= 100000`).
"""

from __future__ import annotations

from typing import Final

from brinell.core.conditions import Condition, parse_condition
from brinell.core.errors import ConfigurationError

CORRUPTED: Final = "corruption_accuracy"
"""Mean accuracy on corrupted images."""
SHARES: Final = ("clean_accuracy", "robust_accuracy", "worst_case", CORRUPTED)
"""Metrics that are shares of examples."""
COUNTED: Final = ("encoded_bytes", "nominal_bytes", "parameters", "nonzero", "memory_mb", "macs", "xnor_ops", "ncc")
"""Metrics that are counted, and therefore exact."""
TIMED: Final = ("latency_ms", "energy_joules")
"""Metrics that depend on the runtime."""
COSTS: Final = (*COUNTED, *TIMED)
"""Metrics that are no shares."""
PROBED: Final = {"latency_ms": "latency", "energy_joules": "energy", CORRUPTED: "corruptions"}
"""Metrics that a probe measures, and its kind."""
METRICS: Final = (*SHARES, *COSTS)


def parse_requirement(text: str, place: str = "") -> Condition:
    """Read a requirement; `place` names where it stands, in errors.

    Raises:
        ConfigurationError: it does not follow the grammar, names something that the metric does not depend on, or
            its number can never be reached or is reached always.
    """
    condition = parse_condition(text, METRICS, place)
    problem = _problem(condition)
    if problem:
        raise ConfigurationError(f"{f'{place} ' if place else ''}{text!r}: {problem}")
    return condition


def _problem(condition: Condition) -> str:
    metric, limit = condition.metric, condition.limit
    if condition.level is not None:
        return "a requirement is decided by one-sided 95% bounds; 'at p <' is for compare --fail-if"
    if condition.attack is not None and metric not in ("robust_accuracy", CORRUPTED):
        return f"{metric} depends on no attack; 'under' is for robust_accuracy and {CORRUPTED}"
    if condition.runtime is not None and metric not in TIMED:
        return f"{metric} is of no runtime; 'on' is for {' and '.join(TIMED)}"
    if condition.radius is not None and metric not in ("robust_accuracy", "worst_case"):
        return f"{metric} is read at no radius; 'within' is for robust_accuracy and worst_case"
    if condition.percent and not condition.signed:
        return f"a percentage is a change against the baseline and needs a sign: +{limit:g}% or -{limit:g}%"
    if condition.percent and metric not in SHARES and limit <= -100 and condition.operator in ("<", "<="):
        return f"{metric} never falls by 100% or more"
    if condition.percent and metric in SHARES:
        return f"{metric} is a share from 0 to 1, and its change one from -1 to +1: write {limit / 100:+g}"
    if metric in SHARES and abs(limit) > 1:
        return f"{metric} is a share from 0 to 1: {limit:g} is never reached"
    if metric not in SHARES and not condition.signed and limit == 0 and condition.operator in ("<", "<="):
        return f"{metric} is never {condition.operator} 0"
    return ""
