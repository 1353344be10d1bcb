"""One attack, every variant, every strength: robust accuracy and the breaking stress; or the median distance."""

from __future__ import annotations

from typing import Any

import polars as pl

from brinell.analysis import Evaluation, norm_of
from brinell.reporting.describe import describe_attacks
from brinell.reporting.formats import MISSING, percent, pluralize, radius, stress
from brinell.reporting.table import Cell, Column, Table, median_distance, share

At = tuple[float | None, int]


def tables(evaluation: Evaluation) -> list[Table]:
    """A table an attack."""
    return [table(evaluation, name) for name in evaluation.stresses]


def table(evaluation: Evaluation, attack: str) -> Table:
    """A row for each variant that the plan attacks, whether measured or not."""
    found = evaluation.seed_means.filter((pl.col("attack") == attack) & (pl.col("crafted_on") == pl.col("variant")))
    trials = [trial for trial in evaluation.plan.trials if trial.attack == attack]
    points: list[At] = list(dict.fromkeys((point.epsilon, point.steps) for trial in trials for point in trial.points))
    norm = norm_of(trials[0]) if trials else "linf"
    one_step = len({steps for _, steps in points}) == 1
    cells = {(row["variant"], row["epsilon"], row["steps"]): row for row in found.iter_rows(named=True)}
    planned = dict.fromkeys(evaluation.coverage.filter(pl.col("attack") == attack)["variant"])
    axis = evaluation.stresses[attack]
    top5 = bool((found["top5_accuracy"] < 1).any())
    heads = [_head(point, norm, one_step) for point in points]
    breaks = [Column("Breaks at", f"Smallest {axis.quantity} at or under guessing, interpolated")] if axis.swept else []
    return Table(
        name=f"attack-{attack}",
        section="attacks",
        title=f"Under {attack}",
        caption=_caption(found, norm, top5=top5) + describe_attacks(evaluation, [attack]),
        columns=(Column("Variant", numeric=False), *heads, *breaks),
        rows=tuple(
            (
                Cell(variant, variant, variant=variant),
                *(_cell(cells.get((variant, *point)), top5=top5) for point in points),
                *(_breaks(evaluation, attack, variant, norm) for _ in breaks),
            )
            for variant in planned
        ),
        frame=found,
    )


def _caption(found: pl.DataFrame, norm: str, *, top5: bool) -> str:
    if len(found) and found["epsilon"].null_count() == len(found):
        return (
            f"The attack has no radius: median {norm} distance of the adversarials that it found. Beneath, the share "
            "of examples that it did not fool, and the Wilson 95% interval. "
        )
    text = "Robust accuracy, its Wilson 95% interval, and ± the spread over seeds."
    text += " Beneath, top-5 accuracy." if top5 else " Top-5 accuracy is 100% throughout."
    if found["target_accuracy"].null_count() < len(found):
        text += " After the stroke the accuracy to the attack's target: original / target (OA / TA)."
    return f"{text} "


def _head(point: At, norm: str, one_step: bool) -> Column:
    epsilon, steps = point
    if epsilon is None:
        return Column(f"median {norm}", below=pluralize(steps, "step"))
    return Column(radius(epsilon, norm), below="" if one_step else pluralize(steps, "step"))


def _cell(row: dict[str, Any] | None, *, top5: bool) -> Cell:
    if row is None:
        return Cell(MISSING)
    if row["epsilon"] is None:
        return median_distance(row)
    cell = share(row["robust_accuracy"], row["robust_accuracy_low"], row["robust_accuracy_high"], tone=True)
    spread, target = row["robust_accuracy_spread"], row["target_accuracy"]
    text = cell.text if target is None else f"{cell.text} / {percent(target)}"
    notes = [
        cell.note,
        "" if spread is None else f"± {100 * spread:.1f}",
        f"top-5 {percent(row['top5_accuracy'])}" if top5 else "",
    ]
    note = "\n".join(note for note in notes if note)
    return Cell(text, cell.sort, note, cell.tone, write=cell.write if target is None else None)


def _breaks(evaluation: Evaluation, attack: str, variant: str, norm: str) -> Cell:
    found = evaluation.breaking.filter((pl.col("attack") == attack) & (pl.col("variant") == variant))
    if found.is_empty():
        return Cell(MISSING)
    row = found.row(0, named=True)
    reached = row["breaking_stress"]
    if reached is None:
        return Cell("not reached", float("inf"), f"by {stress(row['strongest'], row['quantity'], norm)}")
    return Cell(stress(reached, row["quantity"], norm), reached)
