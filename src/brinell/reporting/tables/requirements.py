"""Requirements of the study: the verdict on each variant, and the reading and bounds that decide it."""

from __future__ import annotations

from collections import Counter
from typing import Any

from brinell.analysis import Evaluation
from brinell.analysis.requirements import WORST_FIRST, requirements
from brinell.core.requirements import SHARES
from brinell.reporting.formats import MISSING, percent, percentage_points, pluralize, radius
from brinell.reporting.table import Cell, Column, Table


def table(evaluation: Evaluation) -> Table:
    """One row a requirement and variant, what is not met first; no rows where the study has no requirements."""
    frame = requirements(evaluation)
    rows = sorted(frame.iter_rows(named=True), key=lambda row: WORST_FIRST.index(row["verdict"]))
    counts = Counter(row["verdict"] for row in rows)
    numbers = ", ".join(f"{verdict} {counts[verdict]}" for verdict in WORST_FIRST if counts[verdict])
    return Table(
        name="requirements",
        section="requirements",
        title="Requirements",
        caption=f"{pluralize(len(rows), 'verdict')}: {numbers}. A requirement is met if the one-sided 95% bounds of "
        "the value are both within the limit, not met if neither is, and undecided otherwise: more examples may decide "
        "it. Bounds of a share are Clopper and Pearson's, of a difference on the same examples Tango's. Of several "
        "readings (radii, steps, seeds, attacks) the worst one counts.",
        columns=(
            Column("Variant", numeric=False),
            Column("Requirement", numeric=False, prose=True),
            Column("Verdict", numeric=False),
            Column("Value"),
            Column("Bounds", note="One-sided 95% bounds"),
            Column("Decided by", numeric=False, prose=True),
        ),
        rows=tuple(_row(row) for row in rows),
        frame=frame,
    )


def _row(row: dict[str, Any]) -> tuple[Cell, ...]:
    variant = row["variant"]
    bounds = MISSING if row["low"] is None else f"{_value(row, 'low')} to {_value(row, 'high')}"
    return (
        Cell(MISSING) if variant is None else Cell(variant, variant, variant=variant),
        Cell(row["requirement"], row["requirement"]),
        Cell(row["verdict"], float(WORST_FIRST.index(row["verdict"]))),
        Cell(_value(row, "value"), row["value"]),
        Cell(bounds),
        Cell(row["reason"] or _reading(row)),
    )


def _value(row: dict[str, Any], name: str) -> str:
    value, requirement = row[name], str(row["requirement"])
    if value is None:
        return MISSING
    if requirement.startswith(SHARES):
        return percent(value) if row["baseline"] is None else f"{percentage_points(value)} points"
    if row["baseline"] is None:
        return f"{value:,.6g}"
    return f"{value:+,.4g}{'%' if requirement.endswith('%') else ''}"


def _reading(row: dict[str, Any]) -> str:
    """`pgd, 2/255, 10 steps, 1,000 examples`."""
    parts = [row["attack"] or ""]
    if row["epsilon"] is not None:
        parts.append(radius(row["epsilon"], row["norm"]) + ("" if row["norm"] == "linf" else f" {row['norm']}"))
    if row["steps"] is not None:
        parts.append(pluralize(row["steps"], "step"))
    if row["examples"] is not None:
        parts.append(pluralize(row["examples"], "example"))
    return ", ".join(filter(None, parts)) or "exact"
