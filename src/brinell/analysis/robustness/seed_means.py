"""Reruns: mean and spread of readings that differ in nothing but the attack's seed."""

from __future__ import annotations

import polars as pl

from brinell.analysis.significance.intervals import with_interval

BY = ("variant", "attack", "kind", "crafted_on", "norm", "epsilon", "steps")

RERUN_SCHEMA = {
    "variant": pl.String,
    "attack": pl.String,
    "kind": pl.String,
    "crafted_on": pl.String,
    "norm": pl.String,
    "epsilon": pl.Float64,
    "steps": pl.Int32,
    "seeds": pl.Int64,
    "examples": pl.Int64,
    "clean_accuracy": pl.Float64,
    "robust_accuracy": pl.Float64,
    "robust_accuracy_low": pl.Float64,
    "robust_accuracy_high": pl.Float64,
    "robust_accuracy_spread": pl.Float64,
    "top5_accuracy": pl.Float64,
    "clean_top5_accuracy": pl.Float64,
    "target_accuracy": pl.Float64,
    "strain": pl.Float64,
    "strain_spread": pl.Float64,
    "top5_strain": pl.Float64,
    "attack_success_rate": pl.Float64,
    "rounded_accuracy": pl.Float64,
    "zero_gradient_share": pl.Float64,
    "forwards": pl.Float64,
    "backwards": pl.Float64,
    "median_l0": pl.Float64,
    "median_l1": pl.Float64,
    "median_l2": pl.Float64,
    "median_linf": pl.Float64,
}
"""Means over `seeds`; `_spread` is their standard deviation, null for one seed. `examples` is the fewest that any seed
was measured on."""


def seed_means(readings: pl.DataFrame) -> pl.DataFrame:
    """Average over seeds, in the readings' order.

    The interval is that of the mean accuracy on `examples`: seeds meet the same examples, so that more of them narrow
    what chance in the attack adds, not what the choice of examples does.
    """
    means = [
        name
        for name in RERUN_SCHEMA
        if name not in (*BY, "seeds", "examples") and not name.endswith(("_low", "_high", "_spread"))
    ]
    grouped = readings.group_by(BY, maintain_order=True).agg(
        pl.len().cast(pl.Int64).alias("seeds"),
        pl.col("examples").min(),
        pl.col(means).mean(),
        pl.col("robust_accuracy", "strain").std().name.suffix("_spread"),
    )
    return with_interval(grouped, "robust_accuracy").select(list(RERUN_SCHEMA))
