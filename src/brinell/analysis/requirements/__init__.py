"""Verdicts on requirements: met, not met or undecided, by one-sided 95 % bounds and never by the point estimate."""

from brinell.analysis.requirements.bounded_value import BoundedValue
from brinell.analysis.requirements.bounded_values import measured_cost
from brinell.analysis.requirements.verdicts import (
    MET,
    NOT_MET,
    REQUIREMENT_SCHEMA,
    UNDECIDED,
    WORST_FIRST,
    decide,
    requirements,
    verdict,
)

__all__ = [
    "MET",
    "NOT_MET",
    "REQUIREMENT_SCHEMA",
    "UNDECIDED",
    "WORST_FIRST",
    "BoundedValue",
    "decide",
    "measured_cost",
    "requirements",
    "verdict",
]
