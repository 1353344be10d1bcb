"""Latency of each variant: milliseconds a batch in each runtime that was measured."""

from __future__ import annotations

import polars as pl

from brinell.analysis import Evaluation
from brinell.analysis.records.probes import LatencyReading
from brinell.reporting.formats import MISSING, NOTHING, three, whole
from brinell.reporting.table import Cell, Column, Table

LATENCY_SCHEMA = {
    "variant": pl.String,
    "machine": pl.String,
    "threads": pl.Int64,
    "runtime": pl.String,
    "batch": pl.Int64,
    "median_ms": pl.Float64,
    "low_ms": pl.Float64,
    "high_ms": pl.Float64,
    "runs": pl.Int64,
    "differing": pl.Float64,
}


def frame(evaluation: Evaluation) -> pl.DataFrame:
    """The latency probes' answers: `LATENCY_SCHEMA`."""
    rows = [
        (found.variant, found.record.machine, found.record.threads, *reading.model_dump().values())
        for found in evaluation.probes.latency
        for reading in found.record.readings
    ]
    return pl.DataFrame(rows, schema=LATENCY_SCHEMA, orient="row")


def machines(evaluation: Evaluation) -> list[str]:
    """What was measured on, each with the threads it had."""
    found = (each.record for each in evaluation.probes.latency)
    return list(dict.fromkeys(f"{record.machine}, {whole(record.threads, 'thread')}" for record in found))


def table(evaluation: Evaluation) -> Table:
    """One row for each variant with a latency probe, one column for each runtime and batch size."""
    found = evaluation.probes.latency
    cells = {(each.variant, r.runtime, r.batch): r for each in found for r in each.record.readings}
    heads = list(dict.fromkeys((runtime, batch) for _, runtime, batch in cells))
    return Table(
        name="latency",
        section="latency",
        order=1,
        title="Latency",
        caption=f"Median milliseconds a batch on {'; '.join(machines(evaluation))}; below, the first and third "
        "quartile of the runs, and the number of predictions that differ from the reference's.",
        columns=(
            Column("Variant", numeric=False),
            *(Column(runtime, below=f"batch of {batch:,}") for runtime, batch in heads),
        ),
        rows=tuple(
            (Cell(variant, variant, variant=variant), *(_cell(cells.get((variant, *head))) for head in heads))
            for variant in (evaluation.variants["variant"] if cells else ())
        ),
        frame=frame(evaluation),
    )


def _cell(reading: LatencyReading | None) -> Cell:
    if reading is None:
        return Cell(MISSING)
    known = reading.low_ms is not None and reading.high_ms is not None
    note = f"{three(reading.low_ms or 0)}{NOTHING}{three(reading.high_ms or 0)}" if known else ""
    if reading.differing:
        note += f"; {reading.differing:.2%} differ"
    return Cell(f"{three(reading.median_ms)} ms", reading.median_ms, note)
