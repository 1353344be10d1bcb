"""Beside the paper: each printed value of the networks that a study reproduces, ours, and what differs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from brinell.analysis import Evaluation
from brinell.analysis.papers import comparison, reproduction
from brinell.reporting.formats import MISSING, listing, settings
from brinell.reporting.table import Cell, Column, Table, number

_MINUS = "\u2212"


def tables(evaluation: Evaluation) -> list[Table]:
    """One row a printed value; no table where the study reproduces no paper."""
    ours = reproduction(evaluation)
    if ours is None:
        return []
    frame = comparison(ours)
    specs = {trial.attack: trial.spec for trial in evaluation.plan.trials}
    unread = [
        f"{label} ({ours.paper.rows[row]})" for row, label in ours.labels.items() if label not in frame["variant"]
    ]
    return [
        Table(
            name="beside-the-paper",
            section="paper",
            title=f"Beside {ours.paper.name}",
            caption=f"{ours.paper.title}: each published value of a reproduced row, our value with its 95% "
            "interval, the difference in the published unit, and differences of the set-up. A difference is an effect "
            "of the method only if nothing else differs."
            + (f" It prints nothing of {listing(unread)}." if unread else ""),
            columns=(
                Column("Variant", numeric=False),
                Column("Printed in", numeric=False, prose=True),
                Column("Value", numeric=False, prose=True),
                Column("Printed"),
                Column("Ours", prose=True),
                Column("Difference"),
                Column("What differs", numeric=False, prose=True),
            ),
            rows=tuple(_row(row, specs) for row in frame.iter_rows(named=True)),
            frame=frame,
        )
    ]


def _row(row: dict[str, Any], specs: Mapping[str, Mapping[str, Any]]) -> tuple[Cell, ...]:
    unit, attack, value, difference = row["unit"], row["attack"], row["ours"], row["difference"]
    bounds = (
        ""
        if row["ours_low"] in (None, value)
        else f"{_said(row['ours_low'], unit)}\u2013{_said(row['ours_high'], unit)}"
    )
    why = row["missing"] or ""
    return (
        Cell(row["variant"], row["variant"], row["row"], variant=row["variant"]),
        Cell(row["where"], row["where"]),
        Cell(
            row["quantity"],
            row["quantity"],
            f"{unit}; {attack}: {settings(specs[attack])}" if attack in specs else unit,
        ),
        number(_said(row["printed"], unit), row["printed"]),
        Cell(MISSING, note=why) if value is None else Cell(_said(value, unit), value, bounds),
        Cell(MISSING) if difference is None else number(_signed(difference, unit), difference),
        Cell(row["differs"] or "nothing that is recorded", row["differs"]),
    )


def _said(value: float, unit: str) -> str:
    """About as many digits as are printed."""
    return f"{value:.2f}" if unit == "%" else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _signed(difference: float, unit: str) -> str:
    size = abs(difference)
    text = f"{size:.2f}" if unit == "%" else f"{size:.2g}" if size < 100 else f"{size:,.0f}"
    return text if difference == 0 else f"{'+' if difference > 0 else _MINUS}{text}"
