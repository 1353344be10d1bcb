"""Stress: which of an attack's strengths is swept, and what is held meanwhile."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import polars as pl

from brinell.core import Point

Quantity = Literal["epsilon", "steps"]


@dataclass(frozen=True)
class Stress:
    """The axis of an attack's stress-strain graph: the quantity swept, and the value of the other one."""

    quantity: Quantity
    held: float | None
    swept: bool = True
    """Whether there is more than one stress to draw a curve through."""

    @property
    def other(self) -> Quantity:
        """The quantity that is held."""
        return "steps" if self.quantity == "epsilon" else "epsilon"

    def select(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The readings on this axis, with their `stress`, ascending; strength zero is not among them."""
        chosen = frame.filter(pl.col(self.other).eq_missing(self.held))
        return chosen.with_columns(pl.col(self.quantity).cast(pl.Float64).alias("stress")).sort("stress")


def stress(points: Iterable[Point]) -> Stress:
    """Epsilon where it is swept, at the most steps; otherwise the steps, at the one epsilon."""
    points = list(points)
    epsilons = {point.epsilon for point in points if point.epsilon is not None}
    steps = {point.steps for point in points}
    if len(epsilons) > 1 or (epsilons and len(steps) == 1):
        return Stress("epsilon", float(max(steps)), swept=len(epsilons) > 1)
    return Stress("steps", max(epsilons, default=None), swept=len(steps) > 1)
