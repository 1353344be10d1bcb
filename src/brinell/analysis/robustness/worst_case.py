"""The worst case per example: broken at a radius if any row of the variant, of any attack, misclassifies within it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
    "examples": pl.Int64,
    "correct": pl.Int64,
    "robust_accuracy": pl.Float64,
    "robust_accuracy_low": pl.Float64,
    "robust_accuracy_high": pl.Float64,
}
"""`attacks` are those read at this very radius; rows of others count where their distance fits: those of minimum-norm
attacks and those crafted on another network. `examples` are those that every trial has covered which reads the variant
at this radius, at a smaller one, or at none: few examples of an attack at large radii leave the small ones alone."""


def nearest(rows: pl.DataFrame) -> pl.DataFrame:
    """`example_id`, and the least `linf`, `l2` and `l1` at which a row of a trial misclassifies it; null: at none.

    An example that is wrong without an attack is broken at distance 0. A distance that is not a number counts as the
    row's own radius. `since` is the smallest radius at which the trial reads, 0 for a minimum-norm attack.
    """
    since = 0.0 if rows["epsilon"].null_count() else rows["epsilon"].min()
    wrong, wrong_clean = pl.col("rank") > 0, pl.col("clean_rank") > 0
    return (
        rows.group_by("example_id")
        .agg(
            pl.when(wrong_clean.any()).then(0.0).otherwise(_distance(name).filter(wrong).min()).alias(name)
            for name in ("linf", "l2", "l1")
        )
        .with_columns(since=pl.lit(since, dtype=pl.Float64))
    )


def _distance(name: str) -> pl.Expr:
    """A row's distance; l1 is null in rows that are older than its column, which then say nothing of it."""
    known = pl.col(name).cast(pl.Float64)
    return known.fill_nan(None).fill_null(pl.col("epsilon")) if name != "l1" else known.fill_nan(None)


def combine(trials: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """The nearest over all of a variant's trials, and the radius `until` which the example is covered.

    From there on a trial reads that has not seen it; infinity where all have.
    """
    together = pl.concat(trials).group_by("example_id").agg(pl.col("linf", "l2", "l1").min())
    unseen = [
        together.join(trial, on="example_id", how="anti").select("example_id", until=pl.lit(trial["since"][0]))
        for trial in trials
        if len(trial) < len(together)
    ]
    empty = pl.DataFrame(schema={"example_id": together.schema["example_id"], "until": pl.Float64})
    until = pl.concat([empty, *unseen]).group_by("example_id").agg(pl.col("until").min())
    known = together.join(until, on="example_id", how="left")
    return known.with_columns(pl.col("until").fill_null(float("inf"))).sort("example_id")


def standing(nearest: pl.DataFrame, norm: str, epsilon: float) -> pl.DataFrame:
    """`example_id` and whether the example is still `correct` at the radius, of those that are covered there."""
    broken = (pl.col(norm) <= epsilon + ROUNDING).fill_null(False)
    return nearest.filter(pl.col("until") > epsilon + ROUNDING).select("example_id", correct=~broken)


def worst_case(nearest: pl.DataFrame, points: Iterable[tuple[str, float, list[str]]]) -> pl.DataFrame:
    """Accuracy at each of (norm, epsilon, attacks): the columns of `WORST_SCHEMA` from `norm` on."""
    schema = {name: WORST_SCHEMA[name] for name in ("norm", "epsilon", "attacks", "examples", "correct")}
    counted = []
    for norm, epsilon, attacks in points:
        correct = standing(nearest, norm, epsilon)["correct"]
        counted.append((norm, epsilon, attacks, len(correct), int(correct.sum())))
    frame = pl.DataFrame(counted, schema=schema, orient="row")
    known = frame.with_columns(
        robust_accuracy=pl.when(pl.col("examples") > 0).then(pl.col("correct") / pl.col("examples"))
    )
    return with_interval(known, "robust_accuracy")
