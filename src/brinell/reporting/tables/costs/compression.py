"""Rate, error and size, beside general-purpose compressors (robustness paper, table IV)."""

from __future__ import annotations

from typing import Any

from brinell.analysis import Evaluation
from brinell.analysis.records.costs import PACKERS
from brinell.reporting.formats import MISSING, percent, ratio, size
from brinell.reporting.table import Cell, Column, Table, number


def table(evaluation: Evaluation) -> Table:
    """One row a variant; packers that were not there are missing."""
    return Table(
        name="compression",
        section="models",
        order=1,
        title="Compression",
        caption="Rate is the dense float32 size of the baseline divided by the size of this variant's file, with all "
        "its parts. The nominal size omits positions, tables and headers; the entropy is zero-order, of "
        "the codes and the gaps between them, with everything else uncompressed. The last columns compress the dense "
        "float32 numbers of the variant with general-purpose programs, if installed; zpaq replaces the paper's PAQ.",
        columns=(
            Column("Variant", numeric=False),
            Column("Rate"),
            Column("Top-1 error"),
            Column("Top-5 error"),
            Column("File"),
            Column("Dense", "Of the baseline, float32"),
            Column("Promised", "By the compressor's own arithmetic"),
            Column("Entropy", "Of codes and gaps, with raw code books and the header"),
            *(Column(packer) for packer in PACKERS),
        ),
        rows=tuple(_row(row) for row in evaluation.variants.iter_rows(named=True)),
        frame=evaluation.variants,
    )


def _row(row: dict[str, Any]) -> tuple[Cell, ...]:
    sizes = [
        "encoded_bytes",
        "dense_bytes",
        "nominal_bytes",
        "entropy_bytes",
        *(f"{packer}_bytes" for packer in PACKERS),
    ]
    return (
        Cell(row["variant"], row["variant"], row["technique"], variant=row["variant"]),
        number(ratio(row["compression_ratio"]), row["compression_ratio"], ratio),
        _error(row["clean_accuracy"]),
        _error(row["top5_accuracy"]),
        *(_size(row[name], row["dense_bytes"] if name.startswith(PACKERS) else None) for name in sizes),
    )


def _error(accuracy: float | None) -> Cell:
    return Cell(MISSING) if accuracy is None else Cell(percent(1 - accuracy, 2), 1 - accuracy)


def _size(count: int | None, dense: int | None) -> Cell:
    return Cell(size(count), count, ratio(dense / count) if dense and count else "")
