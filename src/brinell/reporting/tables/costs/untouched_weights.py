"""Which share of the weights each compressor covered, and which layers it left alone, and why."""

from __future__ import annotations

from typing import Any

from brinell.analysis import Evaluation
from brinell.reporting.formats import percent
from brinell.reporting.table import Cell, Column, Table, number

LISTED = 8
"""Layers that are shown of one variant; the others are summed up, and whole in the file."""


def table(evaluation: Evaluation) -> Table:
    """A row for what each variant's last step covers, and one for each layer that it leaves alone, largest first."""
    frame = evaluation.compressor_logs.untouched
    rows: list[tuple[Cell, ...]] = []
    for variant in dict.fromkeys(frame["variant"]):
        every = [row for row in frame.iter_rows(named=True) if row["variant"] == variant]
        rows += [_row(row) for row in every[: 1 + LISTED]]
        if rest := every[1 + LISTED :]:
            rows.append(_row({**rest[0], **_summed(rest)}))
    return Table(
        name="weights-covered",
        section="models",
        title="What the compressors covered",
        caption="Share of the network's weights (of parameters with two dimensions or more; normalisations, biases and "
        "what two layers share once) that the step that made the variant compresses, and each layer or parameter that "
        "it leaves as it was.",
        columns=(
            Column("Variant", numeric=False),
            Column("Layer", numeric=False),
            Column("Weights"),
            Column("Share"),
            Column("Reason", numeric=False, prose=True),
        ),
        rows=tuple(rows),
        frame=frame,
    )


def _row(row: dict[str, Any]) -> tuple[Cell, ...]:
    layer = "covered" if row["layer"] is None else row["layer"]
    return (
        Cell(row["variant"], row["variant"], row["step"], variant=row["variant"]),
        Cell(layer, layer),
        number(f"{row['weights']:,}", row["weights"]),
        Cell(percent(row["share"]), row["share"]),
        Cell(row["reason"] or ""),
    )


def _summed(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "layer": f"{len(rows)} more",
        "weights": sum(row["weights"] for row in rows),
        "share": sum(row["share"] for row in rows),
        "reason": "in the file",
    }
