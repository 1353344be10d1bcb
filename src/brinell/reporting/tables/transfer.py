"""The transfer matrix: made on one network, judged on another (robustness paper, table III)."""

from __future__ import annotations

from typing import Any

import polars as pl

from brinell.analysis import Evaluation
from brinell.reporting.describe import describe_attacks
from brinell.reporting.formats import MISSING, interval, percent, radius
from brinell.reporting.table import Cell, Column, Table


def tables(evaluation: Evaluation) -> list[Table]:
    """One table a transferred attack, at the point nearest to the reference radius."""
    return [
        _table(evaluation, str(attack), frame)
        for (attack,), frame in evaluation.transfers.group_by("attack", maintain_order=True)
    ]


def select_point(evaluation: Evaluation, frame: pl.DataFrame) -> pl.DataFrame:
    """The readings that a single matrix of an attack shows: after most steps, nearest to the reference radius."""
    if evaluation.reference_radius is not None and frame["epsilon"].null_count() == 0:
        distance = (pl.col("epsilon") - evaluation.reference_radius.epsilon).abs()
        frame = frame.filter(distance == distance.min())
    return frame.filter(pl.col("steps") == pl.col("steps").max())


def _table(evaluation: Evaluation, attack: str, every: pl.DataFrame) -> Table:
    frame = select_point(evaluation, every)
    found = {(row["source"], row["target"]): row for row in frame.iter_rows(named=True)}
    names = evaluation.variants["variant"]
    sources = [name for name in names if name in frame["source"]]
    targets = [name for name in names if name in frame["target"]]
    at = radius(frame["epsilon"][0], frame["norm"][0])
    return Table(
        name=f"transfer-{attack}",
        section="transfer",
        order=1,
        title=f"Network to network, {attack} at {at}",
        caption="Accuracy of the network in the column on adversarial examples made on the network in the row: top-1 "
        "with its Wilson 95% interval and top-5. On the diagonal the attack is white-box. "
        f"{describe_attacks(evaluation, [attack])}",
        columns=(Column("Made on", numeric=False), *(Column(name, "Judged on") for name in targets)),
        rows=tuple(
            (
                Cell(source, source, variant=source),
                *(_cell(found.get((source, target))) for target in targets),
            )
            for source in sources
        ),
        frame=every,
    )


def _cell(row: dict[str, Any] | None) -> Cell:
    if row is None or row["accuracy"] is None:
        return Cell(MISSING)
    note = f"{interval(row['accuracy_low'], row['accuracy_high'])}\ntop-5 {percent(row['top5_accuracy'])}"
    return Cell(percent(row["accuracy"]), row["accuracy"], note, row["accuracy"])
