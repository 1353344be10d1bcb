"""Readings: what one trial says at each of its points, as counts and the shares that follow from them."""

from __future__ import annotations

import polars as pl

from brinell.analysis.significance.intervals import with_interval

READING_SCHEMA = {
    "variant": pl.String,
    "attack": pl.String,
    "kind": pl.String,
    "crafted_on": pl.String,
    "norm": pl.String,
    "seed": pl.Int64,
    "epsilon": pl.Float64,
    "steps": pl.Int32,
    "examples": pl.Int64,
    "clean_correct": pl.Int64,
    "correct": pl.Int64,
    "clean_accuracy": pl.Float64,
    "robust_accuracy": pl.Float64,
    "robust_accuracy_low": pl.Float64,
    "robust_accuracy_high": pl.Float64,
    "top5_accuracy": pl.Float64,
    "clean_top5_accuracy": pl.Float64,
    "target_accuracy": pl.Float64,
    "strain": pl.Float64,
    "top5_strain": pl.Float64,
    "attack_success_rate": pl.Float64,
    "rounded_examples": pl.Int64,
    "rounded_accuracy": pl.Float64,
    "zero_gradient_share": pl.Float64,
    "forwards": pl.Float64,
    "backwards": pl.Float64,
    "queries": pl.Float64,
    "median_l0": pl.Float64,
    "median_l1": pl.Float64,
    "median_l2": pl.Float64,
    "median_linf": pl.Float64,
}
"""One row is one (variant, attack, source, seed, epsilon, steps). Shares are of `examples`, but `attack_success_rate`
of those that were right before, and `rounded_accuracy` of the `rounded_examples` whose 8-bit verdict is not void.
`strain` is (A - A*) / A on the same examples, null where A is 0; `top5_strain` the same of top-5 accuracies.
`target_accuracy` is the share classified as the attack's target (null without one); a tie counts against the network
there too. Passes and queries are means an example. Medians are of the examples that the attack broke; null where it
broke none."""


def readings(rows: pl.DataFrame) -> pl.DataFrame:
    """One row for each (epsilon, steps) of a trial's rows, ascending: `READING_SCHEMA` from `epsilon` on."""
    was_right, right = pl.col("clean_rank") == 0, pl.col("rank") == 0
    broken = was_right & ~right
    distances = {f"median_{name}": pl.col(name).cast(pl.Float64).fill_nan(None) for name in ("l0", "l1", "l2", "linf")}
    counted = rows.group_by("epsilon", "steps", maintain_order=True).agg(
        examples=pl.len().cast(pl.Int64),
        clean_correct=was_right.sum().cast(pl.Int64),
        correct=right.sum().cast(pl.Int64),
        broken=broken.sum(),
        top5_accuracy=(pl.col("rank") < 5).mean(),
        clean_top5_accuracy=(pl.col("clean_rank") < 5).mean(),
        target_accuracy=(pl.col("target_rank") == 0).mean(),
        rounded_examples=pl.col("rank_rounded").count().cast(pl.Int64),
        rounded_accuracy=(pl.col("rank_rounded") == 0).mean(),
        zero_gradient_share=_share(pl.col("zero_gradients").sum(), pl.col("backwards").sum(), pl.col("zero_gradients")),
        forwards=pl.col("forwards").mean(),
        backwards=pl.col("backwards").mean(),
        queries=pl.col("queries").mean(),
        **{name: distance.filter(broken).median() for name, distance in distances.items()},
    )
    known = counted.with_columns(
        clean_accuracy=pl.col("clean_correct") / pl.col("examples"),
        robust_accuracy=pl.col("correct") / pl.col("examples"),
        strain=_ratio(pl.col("clean_correct") - pl.col("correct"), pl.col("clean_correct")),
        top5_strain=_ratio(pl.col("clean_top5_accuracy") - pl.col("top5_accuracy"), pl.col("clean_top5_accuracy")),
        attack_success_rate=_ratio(pl.col("broken"), pl.col("clean_correct")),
    )
    wanted = [name for name in list(READING_SCHEMA)[6:] if not name.endswith(("_low", "_high"))]
    return with_interval(known.select(wanted).sort("epsilon", "steps", nulls_last=True), "robust_accuracy")


def _share(part: pl.Expr, whole: pl.Expr, known: pl.Expr) -> pl.Expr:
    """`part / whole`; unknown where nothing was counted at all."""
    return pl.when((known.count() > 0) & (whole > 0)).then(part / whole)


def _ratio(part: pl.Expr, whole: pl.Expr) -> pl.Expr:
    """`part / whole`, null for an empty whole; signed, for counts come unsigned."""
    return pl.when(whole > 0).then(part.cast(pl.Float64) / whole)
