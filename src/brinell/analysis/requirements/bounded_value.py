"""A value with its one-sided 95 % bounds, and what it was read at."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class BoundedValue:
    """A value, its lower and its upper bound, and what it was read at."""

    value: float
    low: float
    high: float
    examples: int | None = None
    """Of a share; `None` for what is no share."""
    attack: str | None = None
    norm: str | None = None
    epsilon: float | None = None
    steps: int | None = None
    seed: int | None = None
