"""What each network is (BreakingBED, table 1; robustness paper, table I): type, accuracy, parameters, memory, NCC."""

from __future__ import annotations

from typing import Any

from brinell.analysis import Evaluation
from brinell.reporting.describe import span
from brinell.reporting.formats import MISSING, quantity, size
from brinell.reporting.table import Cell, Column, Table, number, share

COMPACT = ("mobilenet", "squeezenet")
"""Architectures that were designed small, by how their names begin."""


def table(evaluation: Evaluation) -> Table:
    """One row a variant, measured or not."""
    examples = span(count for count in evaluation.variants["examples"] if count)
    return Table(
        name="models",
        section="models",
        title="What each network is",
        caption="Memory is the nominal size of the weights in MB of 10⁶ bytes: 32 bits each, one for "
        "binary weights. NCC is the normalised compute complexity, in 10⁶: multiply-accumulates and 1/48 of the "
        f"binary operations. The file contains all that is needed to run the network. Accuracies on {examples}.",
        columns=(
            Column("Variant", numeric=False),
            Column("Type", numeric=False),
            Column("Top-1", "Accuracy without an attack"),
            Column("Top-5", "Share of examples whose label is among the five highest logits"),
            Column("Parameters"),
            Column("Nonzero", "Weights that are not zero"),
            Column("Memory, MB"),
            Column("NCC, 10⁶"),
            Column("File"),
        ),
        rows=tuple(_row(row) for row in evaluation.variants.iter_rows(named=True)),
        frame=evaluation.variants,
    )


def _row(row: dict[str, Any]) -> tuple[Cell, ...]:
    kind = _type(row)
    memory, ncc = row["memory_mb"], row["ncc"]
    return (
        Cell(row["variant"], row["variant"], row["architecture"], variant=row["variant"]),
        Cell(kind, kind),
        share(row["clean_accuracy"], row["clean_accuracy_low"], row["clean_accuracy_high"]),
        share(row["top5_accuracy"]),
        number(quantity(row["parameters"]), row["parameters"], quantity),
        number(quantity(row["nonzero"]), row["nonzero"], quantity),
        number(MISSING if memory is None else f"{memory:,.3g}" if memory < 1000 else f"{memory:,.0f}", memory),
        number(MISSING if ncc is None else f"{ncc / 1e6:,.3g}" if ncc < 1e9 else f"{ncc / 1e6:,.0f}", ncc),
        number(size(row["encoded_bytes"]), row["encoded_bytes"], size),
    )


def _type(row: dict[str, Any]) -> str:
    if row["parent"] is not None:
        return f"{row['technique']} of {row['parent']}"
    compact = row["architecture"].startswith(COMPACT)
    return "compact architecture" if compact else "original architecture"
