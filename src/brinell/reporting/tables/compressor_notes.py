"""What compressors noted while they worked: rates that were chosen, examples that were made, rewards that were had."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from brinell.analysis import Evaluation
from brinell.reporting.table import Cell, Column, Table

LISTED = 8
"""Values of a list that are shown; longer ones are summed up, and whole in the file."""

NOTE_SCHEMA = {"variant": pl.String, "step": pl.String, "name": pl.String, "value": pl.String}


def table(evaluation: Evaluation) -> Table:
    """One row a figure of each step."""
    every = [
        (variant, step["kind"], name, value)
        for variant, steps in evaluation.notes.items()
        for step in steps
        for name, value in _flat(step["figures"])
        if not name.startswith("coverage.")  # a table of its own has it
    ]
    return Table(
        name="notes",
        section="compressor-notes",
        title="What the compressors noted",
        caption="Figures that each step recorded while it made the variant, its ancestors' steps included.",
        columns=(
            Column("Variant", numeric=False),
            Column("Step", numeric=False),
            Column("Figure", numeric=False),
            Column("Value", prose=True, numeric=False),
        ),
        rows=tuple(
            (Cell(variant, variant, variant=variant), Cell(str(kind), str(kind)), Cell(name, name), Cell(_said(value)))
            for variant, kind, name, value in every
        ),
        frame=pl.DataFrame(
            [(variant, str(kind), name, str(value)) for variant, kind, name, value in every],
            schema=NOTE_SCHEMA,
            orient="row",
        ),
    )


def _flat(figures: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in figures.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _said(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        if len(value) <= LISTED:
            return ", ".join(map(_said, value)) or "none"
        return f"{len(value)} values, from {_said(value[0])} to {_said(value[-1])}"
    return "unknown" if value is None else str(value)
