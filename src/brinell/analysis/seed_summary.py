"""Trainings: variants that differ in nothing but the seed, as one row with mean, deviation and range."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from brinell.core import StudyPlan

AVERAGED = ("encoded_bytes", "clean_accuracy", "robust_accuracy")

SEED_SUMMARY_SCHEMA = {
    "variant": pl.String,
    "baseline": pl.String,
    "trainings": pl.Int64,
    "measured": pl.Int64,
    **{f"{name}{suffix}": pl.Float64 for name in AVERAGED for suffix in ("", "_deviation", "_least", "_most")},
}
"""A row for each name in the plan: how many trainings of it are planned and how many have all figures, and of those
with figures the mean, the standard deviation (null for one training) and the range."""


def names_of_labels(plan: StudyPlan, labels: Mapping[str, str]) -> dict[str, str]:
    """By label the variant's name, which trainings of several seeds share."""
    return {labels[variant.key]: variant.name for variant in plan.variants}


def labels_of_names(plan: StudyPlan, labels: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """By the variant's name the labels of its trainings."""
    found: dict[str, tuple[str, ...]] = {}
    for label, name in names_of_labels(plan, labels).items():
        found[name] = (*found.get(name, ()), label)
    return found


def seed_summary(table: pl.DataFrame, names: Mapping[str, str]) -> pl.DataFrame:
    """`SEED_SUMMARY_SCHEMA`, from one row a training: `variant`, `baseline` and `AVERAGED`; `names` by label."""
    named = table.select(
        pl.col("variant", "baseline").replace(dict(names)), pl.col(AVERAGED).cast(pl.Float64).fill_nan(None)
    )
    grouped = named.group_by("variant", maintain_order=True).agg(
        pl.col("baseline").first(),
        pl.len().cast(pl.Int64).alias("trainings"),
        pl.all_horizontal(pl.col(AVERAGED).is_not_null()).sum().cast(pl.Int64).alias("measured"),
        pl.col(AVERAGED).mean(),
        pl.col(AVERAGED).std().name.suffix("_deviation"),
        pl.col(AVERAGED).min().name.suffix("_least"),
        pl.col(AVERAGED).max().name.suffix("_most"),
    )
    return grouped.select(list(SEED_SUMMARY_SCHEMA))
