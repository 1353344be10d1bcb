"""Our value beside each printed one, and what differs between the two."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from brinell.analysis.papers.published import Column, Cost, Printed, Spent, Transferred
from brinell.analysis.papers.reproduction import Reproduction, Value

BESIDE_SCHEMA = {
    "where": pl.String,
    "row": pl.String,
    "variant": pl.String,
    "quantity": pl.String,
    "unit": pl.String,
    "printed": pl.Float64,
    "ours": pl.Float64,
    "ours_low": pl.Float64,
    "ours_high": pl.Float64,
    "difference": pl.Float64,
    "examples": pl.Int64,
    "attack": pl.String,
    "differs": pl.String,
    "missing": pl.String,
}
"""One row a printed value of a row that a variant stands for; values in the `unit` of print. `differs` says what is not
the same: the data, the examples, the training, the definition."""


def comparison(ours: Reproduction) -> pl.DataFrame:
    """Every printed value that a variant stands for, in the paper's order: `BESIDE_SCHEMA`.

    Args:
        ours: Of `reproduction`.

    Returns:
        One row a printed value.
    """
    rows = [row for printed in ours.paper.tables for row in _rows(printed, ours)]
    return pl.DataFrame(rows, schema=BESIDE_SCHEMA, orient="row")


def _rows(printed: Printed, ours: Reproduction) -> Iterator[tuple[object, ...]]:
    for row, values in printed.rows.items():
        if row not in ours.labels:
            continue
        for column, value in zip(printed.columns, values, strict=True):
            target = column.reads.target if isinstance(column.reads, Transferred) else row
            if value is None or target not in ours.labels:
                continue
            found = ours.read(row, column.reads)
            scale = 100.0 if column.unit == "%" else 1.0
            mine, low, high = (None if part is None else scale * part for part in (found.value, found.low, found.high))
            yield (
                *(printed.where, ours.paper.rows[row], ours.labels[row], column.title, column.unit),
                *(value, mine, low, high, None if mine is None else mine - value),
                *(found.examples, found.attack, _differs(printed, column, row, found, ours), found.why or None),
            )


def _differs(printed: Printed, column: Column, row: str, found: Value, ours: Reproduction) -> str:
    """What is not the same, the most telling first."""
    plan = ours.evaluation.plan
    said = [found.how, column.otherwise(row)]
    if plan.dataset != printed.dataset:
        said.append(f"{plan.dataset} instead of {printed.dataset}")
    if found.examples is not None and found.examples != printed.examples:
        said.append(f"{found.examples:,} examples instead of {printed.examples:,}")
    if not isinstance(column.reads, Cost | Spent):
        said.append(_training(ours.labels[row], ours))
    return "; ".join(filter(None, said))


def _training(label: str, ours: Reproduction) -> str:
    """Our epochs, as recorded; papers that print theirs say so in `training`."""
    epochs = ours.evaluation.training.filter(pl.col("variant") == label).height
    return f"{epochs} epoch{'' if epochs == 1 else 's'} (theirs: {ours.paper.training})" if epochs else ""
