"""Paired comparison: a variant and its baseline on the same examples, by McNemar's exact test."""

from __future__ import annotations

import math

import polars as pl

SIGNIFICANCE = 0.05
"""A difference whose p-value is not under this is no difference."""

NO_DIFFERENCE = "no difference"
"""The verdict of a test whose p-value is not under it."""

PAIR_SCHEMA = {
    "variant": pl.String,
    "baseline": pl.String,
    "attack": pl.String,
    "norm": pl.String,
    "epsilon": pl.Float64,
    "steps": pl.Int32,
    "seed": pl.Int64,
    "examples": pl.Int64,
    "only_variant": pl.Int64,
    "only_baseline": pl.Int64,
    "difference": pl.Float64,
    "p_value": pl.Float64,
    "verdict": pl.String,
}
"""`only_*` count the examples that only one of the two gets right; `difference` is the variant's accuracy less the
baseline's; `verdict` is `better`, `worse` or `no difference`."""


def mcnemar(only_one: int, only_other: int) -> float:
    """Two-sided exact p-value of so many discordant pairs, were both sides equally likely (McNemar 1947).

    Args:
        only_one: How many examples only the first side has right.
        only_other: How many only the second.

    Returns:
        From 0 to 1.

    Examples:
        >>> mcnemar(0, 5)
        0.0625
    """
    count, least = only_one + only_other, min(only_one, only_other)
    if only_one == only_other:
        return 1.0
    log_term = math.lgamma(count + 1) - math.lgamma(least + 1) - math.lgamma(count - least + 1) - count * math.log(2)
    total, term = 0.0, 1.0  # the binomial's tail in units of its largest term, downwards
    for successes in range(least, -1, -1):
        total += term
        term *= successes / (count - successes + 1)
    return min(1.0, 2 * total * math.exp(log_term))


def compare(variant: pl.DataFrame, baseline: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """Compare two frames of (`example_id`, *`by`, `correct`) on the examples they share, for each value of `by`."""
    joined = variant.join(baseline, on=["example_id", *by], suffix="_baseline", nulls_equal=True, maintain_order="left")
    counted = joined.group_by(by, maintain_order=True).agg(
        examples=pl.len().cast(pl.Int64),
        only_variant=(pl.col("correct") & ~pl.col("correct_baseline")).sum().cast(pl.Int64),
        only_baseline=(~pl.col("correct") & pl.col("correct_baseline")).sum().cast(pl.Int64),
    )
    p_values = [mcnemar(*pair) for pair in counted.select("only_variant", "only_baseline").iter_rows()]
    different = pl.col("p_value") < SIGNIFICANCE
    better = pl.col("only_variant") > pl.col("only_baseline")
    return counted.with_columns(
        ((pl.col("only_variant") - pl.col("only_baseline")) / pl.col("examples")).alias("difference"),
        pl.Series("p_value", p_values, dtype=pl.Float64),
    ).with_columns(
        verdict=pl.when(~different)
        .then(pl.lit(NO_DIFFERENCE))
        .when(better)
        .then(pl.lit("better"))
        .otherwise(pl.lit("worse"))
    )
