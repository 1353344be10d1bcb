"""Traces: mean loss and accuracy of an attack's current iterate at each step, over seeds and restarts."""

from __future__ import annotations

import polars as pl

TRACE_SCHEMA = {
    "variant": pl.String,
    "attack": pl.String,
    "norm": pl.String,
    "epsilon": pl.Float64,
    "step": pl.Int32,
    "runs": pl.Int64,
    "examples": pl.Int64,
    "accuracy": pl.Float64,
    "accuracy_spread": pl.Float64,
    "loss": pl.Float64,
    "loss_spread": pl.Float64,
    "zero_gradient_share": pl.Float64,
}
"""Means over `runs` (one for each seed and restart); `_spread` is their standard deviation, null for one run.
`examples` is the fewest of any run. A loss that is not finite is unknown."""


def traces(sums: pl.DataFrame) -> pl.DataFrame:
    """From sums over blocks, with `seed`, to the columns of `TRACE_SCHEMA` from `epsilon` on, ascending."""
    runs = sums.group_by("seed", "restart", "epsilon", "step", maintain_order=True).agg(
        pl.col("count", "correct", "loss_sum", "zero_gradients").sum()
    )
    loss = pl.col("loss_sum") / pl.col("count")
    shares = runs.filter(pl.col("count") > 0).with_columns(
        accuracy=pl.col("correct") / pl.col("count"),
        loss=pl.when(loss.is_finite()).then(loss),
        zero_gradient_share=pl.col("zero_gradients") / pl.col("count"),
    )
    return (
        shares.group_by("epsilon", "step", maintain_order=True)
        .agg(
            pl.len().cast(pl.Int64).alias("runs"),
            pl.col("count").min().alias("examples"),
            pl.col("accuracy", "loss", "zero_gradient_share").mean(),
            pl.col("accuracy", "loss").std().name.suffix("_spread"),
        )
        .select(list(TRACE_SCHEMA)[3:])
        .sort("epsilon", "step", nulls_last=True)
    )
