"""The first step under the breaking line, of attacks that were traced (BreakingBED, section 4.1)."""

from __future__ import annotations

from typing import Any

from brinell.analysis import Evaluation
from brinell.reporting.describe import describe_attacks
from brinell.reporting.formats import MISSING, percent, pluralize, radius
from brinell.reporting.table import Cell, Column, Table


def table(evaluation: Evaluation) -> Table:
    """One row a variant, one column a traced attack and radius."""
    frame = evaluation.breaking_steps
    traced = list(dict.fromkeys(frame.select("attack", "epsilon", "norm").iter_rows()))
    found = {(row["variant"], row["attack"], row["epsilon"]): row for row in frame.iter_rows(named=True)}
    return Table(
        name="breaking-steps",
        section="iterations",
        order=1,
        title="Breaks after",
        caption=f"The first traced step at which the mean accuracy is at or below the breaking line, "
        f"{percent(evaluation.line)}; below, accuracy and loss at the last step, and the share of examples that no "
        "step has fooled. An attacker keeps any successful step: if the two shares differ, the attack oscillates, "
        "and the curve overestimates robustness. "
        f"{describe_attacks(evaluation, list(dict.fromkeys(frame['attack'])))}",
        columns=(
            Column("Variant", numeric=False),
            *(Column(attack, below=radius(epsilon, norm)) for attack, epsilon, norm in traced),
        ),
        rows=tuple(
            (
                Cell(variant, variant, variant=variant),
                *(_cell(found.get((variant, attack, epsilon))) for attack, epsilon, _ in traced),
            )
            for variant in (evaluation.variants["variant"] if traced else ())
        ),
        frame=frame,
    )


def _cell(row: dict[str, Any] | None) -> Cell:
    if row is None:
        return Cell(MISSING)
    loss = "" if row["loss"] is None else f", loss {row['loss']:.3g}"
    note = f"{percent(row['accuracy'])}{loss} after {row['last_step']}"
    if row["robust_accuracy"] is not None:
        note += f"\n{percent(row['robust_accuracy'])} never fooled"
    if row["breaking_step"] is None:
        return Cell("not reached", float("inf"), note)
    return Cell(pluralize(row["breaking_step"], "step"), row["breaking_step"], note)
