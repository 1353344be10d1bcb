"""Top-1 and top-5 under every attack, white-box (robustness paper, table II)."""

from __future__ import annotations

from typing import Any

import polars as pl

from brinell.analysis import Evaluation
from brinell.reporting.describe import describe_attacks
from brinell.reporting.formats import MISSING, percent, pluralize, point
from brinell.reporting.table import Cell, Column, Table, median_distance, share


def table(evaluation: Evaluation) -> Table:
    """One row a variant; a pair of columns an attack, at the reference radius where it is read there."""
    chosen = {attack: frame for attack in evaluation.stresses if (frame := _chosen(evaluation, attack)) is not None}
    heads = [head for attack, frame in chosen.items() for head in _heads(attack, frame)]
    by_variant = {
        attack: {row["variant"]: row for row in frame.iter_rows(named=True)} for attack, frame in chosen.items()
    }
    frames = [frame.with_columns(pl.col("epsilon").cast(pl.Float64)) for frame in chosen.values()]
    return Table(
        name="top-1-top-5",
        section="top5",
        title="Top-1 and top-5",
        caption="White-box attacks, each at its largest number of steps and at the reference radius, "
        f"or at its largest radius if that was not read. For attacks without a radius: the median distance of "
        "adversarial examples, and below it the share of examples without one. "
        f"{describe_attacks(evaluation, list(chosen))}",
        columns=(
            Column("Variant", numeric=False),
            Column("Clean", below="top-1"),
            Column("Clean", below="top-5"),
            *heads,
        ),
        rows=tuple(
            (
                Cell(row["variant"], row["variant"], variant=row["variant"]),
                share(row["clean_accuracy"], tone=row["clean_accuracy"] is not None),
                share(row["top5_accuracy"]),
                *(cell for attack in chosen for cell in _cells(chosen[attack], by_variant[attack].get(row["variant"]))),
            )
            for row in evaluation.variants.iter_rows(named=True)
        ),
        frame=pl.concat(frames) if frames else evaluation.seed_means.clear(),
    )


def _chosen(evaluation: Evaluation, attack: str) -> pl.DataFrame | None:
    """The attack's readings at one point."""
    own = evaluation.seed_means.filter((pl.col("attack") == attack) & (pl.col("crafted_on") == pl.col("variant")))
    if own.is_empty():
        return None
    reference = evaluation.reference_radius
    near = own.clear() if reference is None else own.filter(pl.col("epsilon") == reference.epsilon)
    if near.is_empty():
        near = own.filter(pl.col("epsilon").eq_missing(own["epsilon"].max()))
    return near.filter(pl.col("steps") == pl.col("steps").max())


def _where(frame: pl.DataFrame) -> str:
    return point(frame["epsilon"][0], frame["steps"][0], frame["norm"][0])


def _heads(attack: str, frame: pl.DataFrame) -> list[Column]:
    if _without_radius(frame):
        return [Column(attack, below=f"{pluralize(frame['steps'][0], 'step')}\nmedian {frame['norm'][0]}")]
    return [Column(attack, below=f"{_where(frame)}\n{top}") for top in ("top-1", "top-5")]


def _without_radius(frame: pl.DataFrame) -> bool:
    return frame["epsilon"][0] is None


def _cells(frame: pl.DataFrame, row: dict[str, Any] | None) -> tuple[Cell, ...]:
    if row is None:
        return (Cell(MISSING),) * len(_heads("", frame))
    if _without_radius(frame):
        return (median_distance(row),)
    top1 = share(row["robust_accuracy"], row["robust_accuracy_low"], row["robust_accuracy_high"], tone=True)
    return top1, Cell(percent(row["top5_accuracy"]), row["top5_accuracy"])
