"""What a study would compute, as `--dry-run` prints it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from rich.markup import escape
from rich.table import Table

from brinell.analysis.labels import labels
from brinell.cli.display.console import out
from brinell.core import duration
from brinell.store import RunStore
from brinell.study import Kind, Splits, Study, Task, measured_seconds, missing, plan, tasks, training_examples


def print_plan(study: Study, root: Path) -> None:
    """Variants, trials and estimated forward passes, and how much of it `root` lacks. Writes nothing."""
    store = RunStore(root)
    store.check_own()
    splits = Splits(study.data)
    planned = plan(study, splits)
    everything = tasks(planned, training_examples=training_examples(planned, splits))
    left = missing(everything, store, planned.classes)
    names = labels(planned)
    kinds = get_args(Kind)
    table = Table("variant", "trials", "readings", *(f"passes: {kind}" for kind in kinds), box=None, pad_edge=False)
    passes = _passes(everything)
    for variant in planned.variants:
        trials = [trial for trial in planned.trials if trial.judged_on == variant.key]
        readings = sum(len(trial.points) for trial in trials)
        counts = (f"{passes[variant.key, kind]:,.0f}" for kind in kinds)
        table.add_row(names[variant.key], str(len(trials)), str(readings), *counts)
    out.print(f"[bold]{escape(planned.name)}[/]: {escape(planned.dataset)}, {planned.examples} test examples")
    out.print(table)
    out.print(
        f"{len(planned.variants)} variants, {len(planned.trials)} trials, {len(planned.probes)} probes, "
        f"{len(everything)} tasks, about {sum(task.passes for task in everything):,.0f} forward passes "
        "(a backward pass counts as two)"
    )
    lacking = f"{root} lacks {len(left)} tasks, about {sum(task.passes for task in left):,.0f} passes"
    out.print(
        f"{lacking}{_time(study, splits, left)}",
        markup=False,
        soft_wrap=True,
    )


def _time(study: Study, splits: Splits, left: Sequence[Task]) -> str:
    """How long that takes on this machine, by a measured pass of each model; in one process, without other work."""
    if not left:
        return ""
    seconds = measured_seconds(study, splits, left)
    return f": about {duration(seconds)} here in one process, by a measured pass of each model"


def _passes(everything: tuple[Task, ...]) -> dict[tuple[str, Kind], float]:
    """By the variant that is made, attacked or asked; crafting for several is the source's."""
    passes: dict[tuple[str, Kind], float] = defaultdict(float)
    for task in everything:
        passes[task.variant.key, task.kind] += task.passes
    return passes
