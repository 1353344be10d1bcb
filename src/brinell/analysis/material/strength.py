"""How much each variant bears of each attack: where it breaks, and what kind of material that makes it."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from brinell.analysis.material.breaking import breaking_strain, breaking_stress
from brinell.analysis.material.character import classify_character, mean_retention, transition_width
from brinell.analysis.material.stress_axis import StressAxis

BREAKING_SCHEMA = {
    "variant": pl.String,
    "attack": pl.String,
    "quantity": pl.String,
    "held": pl.Float64,
    "line": pl.Float64,
    "strongest": pl.Float64,
    "breaking_stress": pl.Float64,
    "breaking_strain": pl.Float64,
    "toughness": pl.Float64,
    "ductility": pl.Float64,
    "character": pl.String,
}
"""One row a variant and an attack whose stress is swept. `breaking_stress` is null where the line was not reached by
the `strongest` stress measured. `toughness` to `character` are explained in `brinell.analysis.material.character`."""

STEP_SCHEMA = {
    "variant": pl.String,
    "attack": pl.String,
    "norm": pl.String,
    "epsilon": pl.Float64,
    "line": pl.Float64,
    "breaking_step": pl.Int32,
    "last_step": pl.Int32,
    "accuracy": pl.Float64,
    "loss": pl.Float64,
    "robust_accuracy": pl.Float64,
    "runs": pl.Int64,
    "examples": pl.Int64,
}
"""One row a traced attack, radius and variant: the first traced step at or under the line (null: not reached by the
`last_step`), and where accuracy and loss of the current iterate stand at the last; `robust_accuracy` is the share that
no iterate until then has fooled (null where the attack was not read at that step)."""


def breaking_points(reruns: pl.DataFrame, stresses: Mapping[str, StressAxis], line: float) -> pl.DataFrame:
    """Breaking stress and character of every variant under every attack whose stress is swept: `BREAKING_SCHEMA`."""
    rows = []
    white_box = reruns.filter((pl.col("crafted_on") == pl.col("variant")) & pl.col("attack").is_in(list(stresses)))
    for (attack, variant), frame in white_box.group_by("attack", "variant", maintain_order=True):
        axis = stresses[str(attack)]
        curve = axis.select(frame).drop_nulls("stress")
        if curve.is_empty() or not axis.swept:
            continue
        clean = curve["clean_accuracy"][0]
        known = curve.select("stress", "robust_accuracy").iter_rows()
        limit = breaking_strain(clean, line)
        strains = [(0.0, 0.0), *curve.drop_nulls("strain").select("stress", "strain").iter_rows()]
        tough, ductile = mean_retention(strains), transition_width(strains, limit)
        rows.append(
            (
                *(variant, attack, axis.quantity, axis.held, line, curve["stress"].max()),
                *(breaking_stress([(0.0, clean), *known], line), limit),
                *(tough, ductile, classify_character(tough, ductile, limit)),
            )
        )
    return pl.DataFrame(rows, schema=BREAKING_SCHEMA, orient="row")


def breaking_steps(traces: pl.DataFrame, reruns: pl.DataFrame, line: float) -> pl.DataFrame:
    """The first step under the line of every traced attack: `STEP_SCHEMA`."""
    by, last = ["variant", "attack", "norm", "epsilon"], pl.col("step") == pl.col("step").max()
    read = reruns.filter(pl.col("crafted_on") == pl.col("variant")).select(
        *by, "robust_accuracy", last_step=pl.col("steps").cast(traces.schema["step"])
    )
    return (
        traces.group_by(by, maintain_order=True)
        .agg(
            breaking_step=pl.col("step").filter(pl.col("accuracy") <= line).min(),
            last_step=pl.col("step").max(),
            accuracy=pl.col("accuracy").filter(last).first(),
            loss=pl.col("loss").filter(last).first(),
            runs=pl.col("runs").min(),
            examples=pl.col("examples").min(),
        )
        .join(read, on=[*by, "last_step"], how="left", maintain_order="left")
        .with_columns(line=pl.lit(line))
        .select(pl.col(name).cast(kind) for name, kind in STEP_SCHEMA.items())
    )
