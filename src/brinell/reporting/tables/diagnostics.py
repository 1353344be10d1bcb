"""How the numbers were computed: which forms of each network attacks looked at, and what makes figures doubtful."""

from __future__ import annotations

from typing import Any

import polars as pl

from brinell.analysis import Evaluation
from brinell.core import ZERO_GRADIENT_SHARE
from brinell.reporting.formats import MISSING, percent
from brinell.reporting.table import Cell, Column, Table


def table(evaluation: Evaluation) -> Table:
    """One row a variant and set of forms; no rows where no file says how it was computed."""
    by = ["variant", "forms", "rejected", "remarks"]
    grouped = evaluation.computations.group_by(by, maintain_order=True).agg(
        pl.col("attack").unique(maintain_order=True),
        pl.col("gradients", "zero_gradients", "infinite_gradients").sum(),
    )
    return Table(
        name="computation",
        section="computation",
        title="How the numbers were computed",
        caption="Attacks look at fast forms of a network (batch norms folded, operations fused, another memory layout, "
        "bfloat16). Each was compared with the network itself on images of the study before it was used, logits and "
        "input gradients; one that differed was not used. Success is always judged on the network itself. Figures of "
        "a variant with a warning do not show that it is robust.",
        columns=(
            Column("Variant", numeric=False),
            Column("Attacks", numeric=False, prose=True),
            Column("Forms", numeric=False, prose=True),
            Column("Not used", numeric=False, prose=True),
            Column("Zero gradients"),
            Column("Infinite or undefined"),
            Column("Warnings", numeric=False, prose=True),
        ),
        rows=tuple(_row(row) for row in grouped.iter_rows(named=True)),
        frame=evaluation.computations.with_columns(pl.col("forms", "rejected", "remarks").list.join("; ")),
    )


def _row(row: dict[str, Any]) -> tuple[Cell, ...]:
    total = row["gradients"]
    shares = [row[name] / total if total else None for name in ("zero_gradients", "infinite_gradients")]
    return (
        Cell(row["variant"], row["variant"], variant=row["variant"]),
        Cell(", ".join(row["attack"])),
        Cell("\n".join(row["forms"])),
        Cell("\n".join(row["rejected"]) or "nothing"),
        *(Cell(MISSING) if share is None else Cell(percent(share), share) for share in shares),
        Cell("\n".join(_warnings(row["remarks"], *shares)) or "none"),
    )


def _warnings(remarks: list[str], zero: float | None, infinite: float | None) -> list[str]:
    return [
        *(["many input gradients are exactly zero"] if zero is not None and zero > ZERO_GRADIENT_SHARE else []),
        *(["input gradients are infinite or undefined"] if infinite else []),
        *remarks,
    ]
