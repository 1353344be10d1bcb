"""The worst case per example over all attacks, at every radius that was read."""

from __future__ import annotations

from typing import Any

from brinell.analysis import Evaluation
from brinell.reporting.describe import named, span
from brinell.reporting.formats import MISSING, radius
from brinell.reporting.table import Cell, Column, Table, share


def table(evaluation: Evaluation) -> Table:
    """One row a variant, one column a norm and radius; no rows where nothing was read at one."""
    frame = evaluation.worst
    found = {(row["variant"], row["norm"], row["epsilon"]): row for row in frame.iter_rows(named=True)}
    points = sorted({(norm, epsilon) for _, norm, epsilon in found}, key=lambda point: (point[0] != "linf", *point))
    attacks = list(dict.fromkeys(trial.attack for trial in evaluation.plan.trials if trial.kind != "clean"))
    return Table(
        name="worst-case",
        section="worst-case",
        title="Worst case",
        caption="An example is broken within a radius if any attack broke it there: white-box, crafted on another "
        "network, "
        f"or a minimum-norm attack with a smaller distance. Over {named(attacks)}, on "
        f"{span(count for count in frame['examples'] if count)}. Below, the Wilson 95% interval.",
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


def _cell(row: dict[str, Any] | None) -> Cell:
    if row is None or row["robust_accuracy"] is None:
        return Cell(MISSING)
    return share(row["robust_accuracy"], row["robust_accuracy_low"], row["robust_accuracy_high"], tone=True)
