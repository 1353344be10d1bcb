"""The worst case per example over all attacks, at every radius that was read."""

from __future__ import annotations

from typing import Any

import polars as pl

from brinell.analysis import Evaluation
from brinell.reporting.describe import worst_case_over
from brinell.reporting.formats import MISSING, listing, radius
from brinell.reporting.table import Cell, Column, Table, share


def table(evaluation: Evaluation) -> Table:
    """One row a variant, one column a norm and radius; no rows where nothing was read at one."""
    frame = evaluation.worst
    found = {(row["variant"], row["norm"], row["epsilon"]): row for row in frame.iter_rows(named=True)}
    points = sorted({(norm, epsilon) for _, norm, epsilon in found}, key=lambda point: (point[0] != "linf", *point))
    return Table(
        name="worst-case",
        section="worst-case",
        title="Worst case",
        caption="An example is broken within a radius if any attack broke it there: white-box, crafted on another "
        f"network, or a minimum-norm attack with a smaller distance. {_over(frame)}. An attack on fewer examples "
        "breaks those that it breaks and leaves the others in. Below, the Wilson 95% interval.",
        columns=(
            Column("Variant", numeric=False),
            *(Column(radius(epsilon, norm), below="" if norm == "linf" else norm) for norm, epsilon in points),
        ),
        rows=tuple(
            (
                Cell(variant, variant, variant=variant),
                *(_cell(found.get((variant, *point))) for point in points),
            )
            for variant in (evaluation.variants["variant"] if points else ())
        ),
        frame=frame,
    )


def _over(frame: pl.DataFrame) -> str:
    """Attacks and examples, for each radius where they differ between radii."""
    each: dict[str, list[str]] = {}
    for (norm, epsilon), part in frame.group_by("norm", "epsilon", maintain_order=True):
        if (part["examples"] > 0).any():
            at = radius(float(str(epsilon)), str(norm))
            each.setdefault(worst_case_over(part), []).append(at if norm == "linf" else f"{at} {norm}")
    if len(each) == 1:
        return f"It is {next(iter(each))}"
    return "It is " + "; ".join(f"within {listing(radii)} {text}" for text, radii in each.items())


def _cell(row: dict[str, Any] | None) -> Cell:
    if row is None or row["robust_accuracy"] is None:
        return Cell(MISSING)
    return share(row["robust_accuracy"], row["robust_accuracy_low"], row["robust_accuracy_high"], tone=True)
