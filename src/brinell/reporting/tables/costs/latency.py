"""Latency of each variant: milliseconds a batch in each runtime that was measured."""

from __future__ import annotations

from typing import Any

from brinell.analysis import Evaluation
from brinell.analysis.records.probes import Latency
from brinell.reporting.formats import MISSING, NOTHING, pluralize, size, three, times
from brinell.reporting.speed_up import latency_frame
from brinell.reporting.table import Cell, Column, Table


def machines(evaluation: Evaluation) -> list[str]:
    """What was measured on, each with the threads it had."""
    found = (each.record for each in evaluation.probes.of(Latency))
    return list(dict.fromkeys(f"{record.machine}, {pluralize(record.threads, 'thread')}" for record in found))


def table(evaluation: Evaluation) -> Table:
    """One row for each variant with a latency probe, one column for each runtime and batch size."""
    frame = latency_frame(evaluation)
    cells = {(row["variant"], row["runtime"], row["batch"]): row for row in frame.iter_rows(named=True)}
    heads = list(dict.fromkeys((runtime, batch) for _, runtime, batch in cells))
    return Table(
        name="latency",
        section="latency",
        order=1,
        title="Latency",
        caption=f"Median milliseconds a batch on {'; '.join(machines(evaluation))}; below, the first and third "
        "quartile of the runs, how many times as fast as the baseline in its fastest runtime, and the share of "
        "predictions that differ from the reference's.",
        columns=(
            Column("Variant", numeric=False),
            Column("File"),
            *(Column(runtime, below=f"batch of {batch:,}") for runtime, batch in heads),
        ),
        rows=tuple(
            (
                Cell(row["variant"], row["variant"], variant=row["variant"]),
                _file(row),
                *(_cell(cells.get((row["variant"], *head))) for head in heads),
            )
            for row in (evaluation.variants.iter_rows(named=True) if cells else ())
        ),
        frame=frame,
    )


def _file(row: dict[str, Any]) -> Cell:
    if row["encoded_bytes"] is None:
        return Cell(MISSING)
    ratio = row["compression_ratio"]
    return Cell(size(row["encoded_bytes"]), row["encoded_bytes"], "" if ratio is None else f"{times(ratio)} smaller")


def _cell(reading: dict[str, Any] | None) -> Cell:
    if reading is None:
        return Cell(MISSING)
    notes = []
    if reading["low_ms"] is not None and reading["high_ms"] is not None:
        notes.append(f"{three(reading['low_ms'])}{NOTHING}{three(reading['high_ms'])}")
    if reading["speed_up"] is not None and reading["speed_up"] != 1:
        notes.append(f"{times(reading['speed_up'])} as fast")
    if reading["differing"]:
        notes.append(f"{reading['differing']:.2%} differ")
    return Cell(f"{three(reading['median_ms'])} ms", reading["median_ms"], "; ".join(notes))
