"""Verdicts on requirements: met, not met or undecided, by one-sided 95 % bounds and never by the point estimate."""

from brinell.analysis.requirements.bounded_values import BoundedValue
from brinell.analysis.requirements.verdicts import (
    MET,
    NOT_MET,
    REQUIREMENT_SCHEMA,
    UNDECIDED,
    decide,
    requirements,
)

__all__ = ["MET", "NOT_MET", "REQUIREMENT_SCHEMA", "UNDECIDED", "BoundedValue", "decide", "requirements"]
