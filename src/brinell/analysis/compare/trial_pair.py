"""A trial in two runs: what each of them plans, and what it has measured of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import polars as pl

from brinell.analysis.collect import CLEAN, norm_of
from brinell.analysis.coverage import planned_examples
from brinell.core import PlannedTrial, Point


@dataclass(frozen=True)
class TrialPair:
    """The first run's and the second's, `None` where a run does not plan the trial, or has no rows of it."""

    label: str
    """The attack, and the network it was crafted on where that is another."""
    variant: str
    seed: int
    plans: tuple[PlannedTrial | None, PlannedTrial | None]
    rows: tuple[pl.DataFrame | None, pl.DataFrame | None]

    @property
    def _either(self) -> PlannedTrial:
        return next(plan for plan in self.plans if plan is not None)

    @property
    def clean(self) -> bool:
        """Whether it is no attack."""
        return self._either.kind == CLEAN

    @property
    def norm(self) -> str:
        """The norm in which its epsilons are radii."""
        return norm_of(self._either)

    @cached_property
    def points(self) -> tuple[frozenset[Point], frozenset[Point]]:
        """What either run plans to read."""
        first, second = (frozenset(() if plan is None else plan.points) for plan in self.plans)
        return first, second

    @cached_property
    def lacking(self) -> str | None:
        """What the runs that plan it have not measured of it."""
        found = []
        for run, plan, rows in zip(("first", "second"), self.plans, self.rows, strict=True):
            planned = 0 if plan is None else planned_examples(plan)
            measured = 0 if rows is None else rows["example_id"].n_unique()
            if measured < planned:
                found.append(f"in the {run} run {measured} of {planned} examples are measured")
        return " and ".join(found) or None

    @cached_property
    def shared(self) -> tuple[pl.DataFrame, pl.DataFrame] | None:
        """Both runs' rows at the points that both plan; `None` where one has none."""
        points = self.points[0] & self.points[1]
        if self.rows[0] is None or self.rows[1] is None or not points:
            return None
        if self.points[0] == self.points[1]:
            return self.rows[0], self.rows[1]
        return self.rows[0].filter(_at(points)), self.rows[1].filter(_at(points))


def _at(points: frozenset[Point]) -> pl.Expr:
    return pl.any_horizontal(
        pl.col("epsilon").eq_missing(point.epsilon) & (pl.col("steps") == point.steps) for point in points
    )
