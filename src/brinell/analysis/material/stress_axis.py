"""Stress: which of an attack's strengths is swept, and what is held meanwhile."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

from brinell.core import Point

Quantity = Literal["epsilon", "steps"]


@dataclass(frozen=True)
class StressAxis:
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


def choose_stress_axis(points: Iterable[Point], paper_axis: tuple[Quantity, float] | None = None) -> StressAxis:
    """The axis of the paper, where its value of what is held is read; otherwise epsilon at the most steps.

    An attack that is read at one epsilon sweeps its steps.
    """
    points = list(points)
    if paper_axis is not None and (found := _held_at(points, *paper_axis)) is not None:
        return found
    epsilons = {point.epsilon for point in points if point.epsilon is not None}
    steps = {point.steps for point in points}
    if len(epsilons) > 1 or (epsilons and len(steps) == 1):
        return StressAxis("epsilon", float(max(steps)), swept=len(epsilons) > 1)
    return StressAxis("steps", max(epsilons, default=None), swept=len(steps) > 1)


def _held_at(points: Sequence[Point], quantity: Quantity, held: float) -> StressAxis | None:
    """The axis of `quantity` at `held`, where it is swept there."""
    read = [(point.epsilon, point.steps) if quantity == "epsilon" else (point.steps, point.epsilon) for point in points]
    at = [(value, other) for value, other in read if other is not None and math.isclose(other, held)]
    if len({value for value, _ in at}) < 2:
        return None
    return StressAxis(quantity, float(at[0][1]))
