"""Time, power and energy of an evaluation of the test set (robustness paper, table V)."""

from __future__ import annotations

import polars as pl

from brinell.analysis import Evaluation
from brinell.analysis.records.probes import Energy
from brinell.reporting.formats import MISSING, pluralize
from brinell.reporting.table import Cell, Column, Table

ENERGY_SCHEMA = {
    "variant": pl.String,
    "source": pl.String,
    "meter": pl.String,
    "machine": pl.String,
    "runs": pl.Int64,
    "examples": pl.Int64,
    "time_s": pl.Float64,
    "time_s_spread": pl.Float64,
    "power_w": pl.Float64,
    "power_w_spread": pl.Float64,
    "energy_j": pl.Float64,
    "energy_j_spread": pl.Float64,
    "energy_j_per_example": pl.Float64,
}
"""Means over `runs`; `_spread` is their standard deviation."""


def frame(evaluation: Evaluation) -> pl.DataFrame:
    """The energy probes' answers: `ENERGY_SCHEMA`."""
    rows = [
        (
            *(found.variant, record.source, record.meter, record.machine, record.runs, record.examples),
            *record.time_s,
            *(record.power_w or (None, None)),
            *record.energy_j,
            record.energy_j[0] / record.examples if record.examples > 0 else None,
        )
        for found in evaluation.probes.of(Energy)
        for record in [found.record]
    ]
    return pl.DataFrame(rows, schema=ENERGY_SCHEMA, orient="row")


def table(evaluation: Evaluation) -> Table:
    """One row for each variant with an energy probe."""
    records = {found.variant: found.record for found in evaluation.probes.of(Energy)}
    machines = ", ".join(dict.fromkeys(record.machine for record in records.values()))
    return Table(
        name="energy",
        section="energy",
        title="Time, power, energy",
        caption=f"Of one pass over the evaluation set: mean ± standard deviation over the runs, on {machines}. "
        "Modelled energy is computed from counted operations and bytes, not measured.",
        columns=(
            Column("Variant", numeric=False),
            Column("Source", numeric=False),
            Column("Time, s"),
            Column("Average power, W"),
            Column("Energy, J"),
            Column("mJ an image"),
        ),
        rows=tuple(
            (Cell(variant, variant, variant=variant), *_cells(records.get(variant)))
            for variant in (evaluation.variants["variant"] if records else ())
        ),
        frame=frame(evaluation),
    )


def _cells(record: Energy | None) -> tuple[Cell, ...]:
    if record is None:
        return (Cell(MISSING),) * 5
    modelled = record.source == "modelled"
    each = record.energy_j[0] / record.examples if record.examples > 0 else None
    return (
        Cell(
            record.source if modelled else f"{record.source}, {record.meter}",
            record.source,
            f"{pluralize(record.runs, 'run')}, {record.examples:,} images",
        ),
        _mean(record.time_s),
        _mean(record.power_w),
        _mean(record.energy_j, spread=not modelled),
        Cell(MISSING) if each is None else Cell(f"{1000 * each:.3g}", each),
    )


def _mean(pair: tuple[float, float] | None, *, spread: bool = True) -> Cell:
    return Cell(MISSING) if pair is None else Cell(f"{pair[0]:,.4g}", pair[0], f"± {pair[1]:.2g}" if spread else "")
