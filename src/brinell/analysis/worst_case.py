"""The worst case per example: broken at a radius if any row of the variant, of any attack, misclassifies within it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import polars as pl

from brinell.analysis.intervals import with_interval

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
attacks and those crafted on another network. `examples` are those that every trial of the variant has covered."""


def nearest(rows: pl.DataFrame) -> pl.DataFrame:
    """`example_id`, and the least `linf` and `l2` at which a row of one trial misclassifies it; null where none does.

    An example that is wrong without an attack is broken at distance 0. A distance that is not a number counts as the
    row's own radius.
    """
    wrong, wrong_clean = pl.col("rank") > 0, pl.col("clean_rank") > 0
    return rows.group_by("example_id").agg(
        pl.when(wrong_clean.any())
        .then(0.0)
        .otherwise(pl.col(name).cast(pl.Float64).fill_nan(None).fill_null(pl.col("epsilon")).filter(wrong).min())
        .alias(name)
        for name in ("linf", "l2")
    )


def combine(trials: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """The nearest over all of a variant's trials, of the examples that every one of them covers."""
    together = pl.concat(trials).group_by("example_id").agg(pl.col("linf", "l2").min(), covered=pl.len())
    return together.filter(pl.col("covered") == len(trials)).drop("covered").sort("example_id")


def standing(nearest: pl.DataFrame, norm: str, epsilon: float) -> pl.DataFrame:
    """`example_id` and whether the example is still `correct` at the radius."""
    broken = (pl.col(norm) <= epsilon + ROUNDING).fill_null(False)
    return nearest.select("example_id", correct=~broken)


def worst_case(nearest: pl.DataFrame, points: Iterable[tuple[str, float, list[str]]]) -> pl.DataFrame:
    """Accuracy at each of (norm, epsilon, attacks): the columns of `WORST_SCHEMA` from `norm` on."""
    schema = {name: WORST_SCHEMA[name] for name in ("norm", "epsilon", "attacks", "examples", "correct")}
    counted = [
        (norm, epsilon, attacks, len(nearest), int(standing(nearest, norm, epsilon)["correct"].sum()))
        for norm, epsilon, attacks in points
    ]
    frame = pl.DataFrame(counted, schema=schema, orient="row")
    known = frame.with_columns(
        robust_accuracy=pl.when(pl.col("examples") > 0).then(pl.col("correct") / pl.col("examples"))
    )
    return with_interval(known, "robust_accuracy")
