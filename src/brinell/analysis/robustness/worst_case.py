"""The worst case per example: broken at a radius if any row of the variant, of any attack, misclassifies within it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from brinell.analysis.significance.intervals import with_interval

ROUNDING = 1e-6
"""Slack of a radius: an image at a distance of exactly epsilon may lie a float32 rounding beyond it."""

WORST_SCHEMA: dict[str, Any] = {
    "variant": pl.String,
    "norm": pl.String,
    "epsilon": pl.Float64,
    "attacks": pl.List(pl.String),
    "over": pl.List(pl.String),
    "over_examples": pl.List(pl.Int64),
    "examples": pl.Int64,
    "correct": pl.Int64,
    "robust_accuracy": pl.Float64,
    "robust_accuracy_low": pl.Float64,
    "robust_accuracy_high": pl.Float64,
}
"""`attacks` are those read at this very radius. `over` are all attacks whose rows count there, which adds those of a
smaller radius, those of minimum norm and those crafted on another network, and `over_examples` is how many of the
`examples` each of them has covered.

Of the trials that read the variant at this very radius, or at none, one was planned on the most examples: `examples`
are those that it has covered, and so has every other trial that was planned on as many and counts there. An attack on
fewer examples breaks those that it breaks, and leaves the others in."""

NEAREST_SCHEMA: dict[str, Any] = {
    "example_id": pl.Int64,
    "linf": pl.Float64,
    "l2": pl.Float64,
    "l1": pl.Float64,
}
"""The least distances at which an example is misclassified; null: at none."""


@dataclass(frozen=True)
class TrialErrors:
    """What one trial says of the worst case."""

    attack: str
    planned: int
    """Examples that it is planned on."""
    norm: str
    radii: tuple[float, ...]
    """At which it reads, in its norm; none for a minimum-norm attack."""
    nearest: pl.DataFrame
    """`NEAREST_SCHEMA`, of the examples that it has covered."""

    def counts_at(self, epsilon: float) -> bool:
        """Whether it reads at the radius, at a smaller one, or at none."""
        return min(self.radii, default=0.0) <= epsilon + ROUNDING

    def reads_at(self, norm: str, epsilon: float) -> bool:
        """Whether it reads at the radius, or at none, in this norm."""
        return self.norm == norm and (not self.radii or any(abs(r - epsilon) <= ROUNDING for r in self.radii))


@dataclass(frozen=True)
class NearestErrors:
    """What all trials of a variant say of the worst case."""

    trials: tuple[TrialErrors, ...]
    nearest: pl.DataFrame
    """`NEAREST_SCHEMA`, over all trials."""

    def covered(self, norm: str, epsilon: float) -> pl.DataFrame:
        """`NEAREST_SCHEMA`, of the examples that count at the radius."""
        counting = [trial for trial in self.trials if trial.counts_at(epsilon)]
        most = max((trial.planned for trial in counting if trial.reads_at(norm, epsilon)), default=0)
        known = self.nearest
        for trial in counting:
            if trial.planned >= most and len(trial.nearest) < len(self.nearest):
                known = known.join(trial.nearest, on="example_id", how="semi", maintain_order="left")
        return known


def trial_errors(rows: pl.DataFrame, attack: str, norm: str, planned: int | None = None) -> TrialErrors:
    """What the rows of a trial say; `planned` is as many examples as they are of, unless it is given.

    An example that is wrong without an attack is broken at distance 0. A distance that is not a number counts as the
    row's own radius.
    """
    radii = () if rows["epsilon"].null_count() else tuple(rows["epsilon"].unique().sort().to_list())
    found = nearest(rows)
    return TrialErrors(attack, len(found) if planned is None else planned, norm, radii, found)


def nearest(rows: pl.DataFrame) -> pl.DataFrame:
    """`NEAREST_SCHEMA`, of one trial's rows."""
    wrong, wrong_clean = pl.col("rank") > 0, pl.col("clean_rank") > 0
    return rows.group_by("example_id").agg(
        pl.when(wrong_clean.any()).then(0.0).otherwise(_distance(name).filter(wrong).min()).alias(name)
        for name in ("linf", "l2", "l1")
    )


def _distance(name: str) -> pl.Expr:
    """A row's distance; l1 is null in rows that are older than its column, which then say nothing of it."""
    known = pl.col(name).cast(pl.Float64)
    return known.fill_nan(None).fill_null(pl.col("epsilon")) if name != "l1" else known.fill_nan(None)


def combine(trials: Sequence[TrialErrors]) -> NearestErrors:
    """The nearest over all of a variant's trials."""
    together = (
        pl.concat([trial.nearest for trial in trials]).group_by("example_id").agg(pl.col("linf", "l2", "l1").min())
    )
    return NearestErrors(tuple(trials), together.sort("example_id"))


def standing(errors: NearestErrors, norm: str, epsilon: float) -> pl.DataFrame:
    """`example_id` and whether the example is still `correct` at the radius, of those that are covered there."""
    broken = (pl.col(norm) <= epsilon + ROUNDING).fill_null(False)
    return errors.covered(norm, epsilon).select("example_id", correct=~broken)


def worst_case(errors: NearestErrors, points: Iterable[tuple[str, float, list[str]]]) -> pl.DataFrame:
    """Accuracy at each of (norm, epsilon, attacks): the columns of `WORST_SCHEMA` from `norm` on."""
    schema = {name: kind for name, kind in WORST_SCHEMA.items() if not name.startswith(("variant", "robust"))}
    counted = []
    for norm, epsilon, attacks in points:
        found = standing(errors, norm, epsilon)
        over = _over(errors, found, epsilon)
        counted.append(
            (norm, epsilon, attacks, list(over), list(over.values()), len(found), int(found["correct"].sum()))
        )
    frame = pl.DataFrame(counted, schema=schema, orient="row")
    known = frame.with_columns(
        robust_accuracy=pl.when(pl.col("examples") > 0).then(pl.col("correct") / pl.col("examples"))
    )
    return with_interval(known, "robust_accuracy")


def _over(errors: NearestErrors, found: pl.DataFrame, epsilon: float) -> dict[str, int]:
    """By attack, how many of the examples it has covered, with any of its seeds and from any network."""
    counts: dict[str, int] = {}
    for trial in errors.trials:
        if not trial.counts_at(epsilon):
            continue
        of_trial = len(found.join(trial.nearest, on="example_id", how="semi"))
        counts[trial.attack] = max(of_trial, counts.get(trial.attack, 0))
    return counts
