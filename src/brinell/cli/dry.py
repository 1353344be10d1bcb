"""`--dry-run`: what a study would compute."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from rich.table import Table

from brinell.analysis.names import labels
from brinell.cli.console import out
from brinell.store import RunStore
from brinell.study import Splits, Study, Task, missing, plan, tasks, training_examples


def print_plan(study: Study, root: Path) -> None:
    """Variants, trials and estimated forward passes, and how much of it `root` lacks. Writes nothing."""
    splits = Splits(study.data)
    planned = plan(study, splits)
    everything = tasks(planned, training_examples=training_examples(planned, splits))
    left = missing(everything, RunStore(root))
    names = labels(planned)
    table = Table("variant", "trials", "readings", "passes: making", "passes: judging", box=None, pad_edge=False)
    making, judging = _passes(everything)
    for variant in planned.variants:
        trials = [trial for trial in planned.trials if trial.judged_on == variant.key]
        readings = sum(len(trial.points) for trial in trials)
        counts = (f"{making[variant.key]:,.0f}", f"{judging[variant.key]:,.0f}")
        table.add_row(names[variant.key], str(len(trials)), str(readings), *counts)
    out.print(f"[bold]{planned.name}[/]: {planned.dataset}, {planned.examples} test examples")
    out.print(table)
    out.print(
        f"{len(planned.variants)} variants, {len(planned.trials)} trials, {len(everything)} tasks, about "
        f"{sum(task.passes for task in everything):,.0f} forward passes (a backward pass counts as two)"
    )
    out.print(
        f"{root} lacks {len(left)} tasks, about {sum(task.passes for task in left):,.0f} passes",
        markup=False,
        soft_wrap=True,
    )


def _passes(everything: tuple[Task, ...]) -> tuple[dict[str, float], dict[str, float]]:
    making: dict[str, float] = defaultdict(float)
    judging: dict[str, float] = defaultdict(float)
    for task in everything:
        (making if task.trial is None else judging)[task.variant.key] += task.passes
    return making, judging
