"""What is planned and not measured, and why."""

from __future__ import annotations

from typing import Any

import polars as pl

from brinell.analysis import Evaluation
from brinell.reporting.formats import NOTHING, elided, listing, percent, pluralize
from brinell.reporting.table import Cell, Column, Table, number

NAMED = 4
"""Variants named in a row; more are counted."""


def table(evaluation: Evaluation) -> Table:
    """One row for each attack, state and reason of trials that are not done; the file holds every trial."""
    every = evaluation.coverage
    open_ = every.filter(pl.col("state") != "done")
    grouped = open_.group_by("attack", "state", "reason", maintain_order=True).agg(
        pl.len().alias("trials"), pl.col("examples", "planned").sum(), pl.col("variant").unique(maintain_order=True)
    )
    return Table(
        name="coverage",
        section="coverage",
        title="What is missing",
        caption=f"{every.height - open_.height:,} of {pluralize(every.height, 'trial')} are complete. A trial is one "
        "attack on one variant with one seed.",
        columns=(
            Column("Attack", numeric=False),
            Column("State", numeric=False),
            Column("Trials"),
            Column("Measured", "Share of the planned examples"),
            Column("Variants", numeric=False),
            Column("Why", numeric=False, prose=True),
        ),
        rows=(*_variants(evaluation), *_probes(evaluation), *(_row(row) for row in grouped.iter_rows(named=True))),
        frame=every,
    )


def _variants(evaluation: Evaluation) -> list[tuple[Cell, ...]]:
    """Variants that are not made, a row for each state and reason."""
    unmade = evaluation.variants.filter(pl.col("state") != "done")
    grouped = unmade.group_by("state", "reason", maintain_order=True).agg("variant")
    nothing = Cell(NOTHING)
    return [
        (
            Cell("making it", ""),
            Cell(state, state),
            nothing,
            nothing,
            Cell(_named(names), names[0]),
            Cell(reason, reason),
        )
        for state, reason, names in grouped.iter_rows()
    ]


def _probes(evaluation: Evaluation) -> list[tuple[Cell, ...]]:
    """Probes without an answer, a row for each kind, state and reason."""
    grouped = evaluation.unanswered.group_by("kind", "state", "reason", maintain_order=True).agg("variant")
    nothing = Cell(NOTHING)
    return [
        (
            Cell(f"probe: {kind}", kind),
            Cell(state, state),
            number(str(len(names)), len(names)),
            nothing,
            Cell(_named(names), names[0]),
            Cell(reason, reason),
        )
        for kind, state, reason, names in grouped.iter_rows()
    ]


def _row(row: dict[str, Any]) -> tuple[Cell, ...]:
    share = row["examples"] / row["planned"] if row["planned"] else 0.0
    return (
        Cell(row["attack"], row["attack"]),
        Cell(row["state"], row["state"]),
        number(str(row["trials"]), row["trials"]),
        number(percent(share, 0), share),
        Cell(_named(row["variant"]), row["variant"][0]),
        Cell(row["reason"], row["reason"]),
    )


def _named(variants: list[str]) -> str:
    shown = [elided(variant) for variant in variants]
    return listing(shown if len(shown) <= NAMED else [*shown[: NAMED - 1], f"{len(shown) - NAMED + 1} more"])
