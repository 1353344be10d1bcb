"""Accuracy on corrupted images, by group of corruptions (CIFAR-10-C and ImageNet-C)."""

from __future__ import annotations

import polars as pl

from brinell.analysis import Evaluation
from brinell.analysis.records.corruption_groups import GROUPS
from brinell.analysis.records.probes import Corruptions
from brinell.reporting.formats import MISSING, listing, percent, percentage_points
from brinell.reporting.table import Cell, Column, Table, share

CORRUPTION_SCHEMA = {
    "variant": pl.String,
    "corruption": pl.String,
    "severity": pl.Int64,
    "accuracy": pl.Float64,
    "clean_accuracy": pl.Float64,
    "mean_accuracy": pl.Float64,
    "examples": pl.Int64,
    "settings": pl.String,
}


def frame(evaluation: Evaluation) -> pl.DataFrame:
    """One row a variant, corruption and severity: `CORRUPTION_SCHEMA`."""
    rows = [
        (
            *(found.variant, reading.corruption, reading.severity, reading.accuracy),
            *(record.clean_accuracy, record.mean_accuracy, record.examples, record.settings),
        )
        for found in evaluation.probes.of(Corruptions)
        for record in [found.record]
        for reading in record.readings
    ]
    return pl.DataFrame(rows, schema=CORRUPTION_SCHEMA, orient="row")


def table(evaluation: Evaluation) -> Table:
    """One row for each variant with a corruption probe, the groups in the paper's order."""
    records = {found.variant: found.record for found in evaluation.probes.of(Corruptions)}
    sets = listing(list(dict.fromkeys(record.settings for record in records.values())))
    return Table(
        name="corruption-accuracy",
        section="corruptions",
        title="On corrupted images: accuracy",
        caption=f"Mean accuracy over corruptions and severities, on the same images, with the severities of {sets}. "
        "Corruptions are no attacks and are not part of the worst case. Frost is a computed texture in place of the "
        "published photographs; its accuracy is not comparable with published ones.",
        columns=(
            Column("Variant", numeric=False),
            Column("Clean"),
            Column("Mean corruption accuracy", note="mean over all corruptions and severities"),
            *(Column(group.capitalize()) for group in GROUPS),
        ),
        rows=tuple(
            (Cell(variant, variant, variant=variant), *_cells(records.get(variant)))
            for variant in (evaluation.variants["variant"] if records else ())
        ),
        frame=frame(evaluation),
        order=1,
    )


def _cells(record: Corruptions | None) -> tuple[Cell, ...]:
    if record is None:
        return (Cell(MISSING),) * (2 + len(GROUPS))
    lost = f"{percentage_points(record.mean_accuracy - record.clean_accuracy)} against clean"
    return (
        share(record.clean_accuracy),
        Cell(percent(record.mean_accuracy), record.mean_accuracy, lost, record.mean_accuracy),
        *(_mean(record, members) for members in GROUPS.values()),
    )


def _mean(record: Corruptions, members: tuple[str, ...]) -> Cell:
    found = [reading.accuracy for reading in record.readings if reading.corruption in members]
    return share(sum(found) / len(found), tone=True) if found else Cell(MISSING)
