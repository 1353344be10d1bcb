"""A plan as tasks, and which of them are left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from brinell.analysis.names import labels
from brinell.core import Block, PlannedTrial, PlannedVariant, StudyPlan
from brinell.store import RunStore
from brinell.study.estimate import trial_passes, variant_passes
from brinell.study.plan import CLEAN

Status = Literal["done", "failed", "unsupported", "blocked"]


@dataclass(frozen=True)
class Task:
    """One thing that a worker does in one go; `after` are the tasks that must be done before."""

    id: str
    """The variant's key, or the trial's key and its block's name: also the name of its failure's file."""
    label: str
    variant: PlannedVariant
    trial: PlannedTrial | None
    block: Block | None
    after: tuple[str, ...]
    passes: float
    """Estimated forward passes of one image; a backward pass counts as two."""

    @property
    def rank(self) -> int:
        """Variants first, then clean predictions, then attacks: what others wait for is not kept waiting."""
        if self.trial is None:
            return 0
        return 1 if self.trial.kind == CLEAN else 2


@dataclass(frozen=True)
class Ending:
    """How a task ended, and why where it did not end well."""

    task: Task
    status: Status
    message: str = ""


def block_task(trial: PlannedTrial, block: Block) -> str:
    """The id of the task that computes one block of one trial."""
    return f"{trial.key}.{block.name}"


def tasks(plan: StudyPlan, *, training_examples: int = 0) -> tuple[Task, ...]:
    """Everything a study does; `training_examples` is the size of the training split, for the estimates."""
    names, variants = labels(plan), {variant.key: variant for variant in plan.variants}
    making = [_make(variant, names[variant.key], training_examples) for variant in plan.variants]
    clean = {trial.judged_on: trial for trial in plan.trials if trial.kind == CLEAN}
    judging = []
    for trial in sorted(plan.trials, key=lambda trial: trial.kind != CLEAN):
        what = f"{names[trial.judged_on]} · {_attack(trial, plan)}"
        for index, block in enumerate(trial.blocks):
            place = f" · {index + 1}/{len(trial.blocks)}" if len(trial.blocks) > 1 else ""
            judging.append(_judge(f"{what}{place}", variants[trial.judged_on], trial, block, clean))
    return tuple({task.id: task for task in (*making, *judging)}.values())


def missing(everything: Sequence[Task], store: RunStore) -> tuple[Task, ...]:
    """The tasks whose results the store does not hold, waiting for each other only. This is the whole of resume."""
    left = {task.id: task for task in everything if not _held(task, store)}
    return tuple(replace(task, after=tuple(name for name in task.after if name in left)) for task in left.values())


def _held(task: Task, store: RunStore) -> bool:
    if task.trial is None or task.block is None:
        return store.has_variant(task.variant.key)
    return store.has_rows(task.trial.key, task.block.name)


def _judge(
    label: str, variant: PlannedVariant, trial: PlannedTrial, block: Block, clean: dict[str, PlannedTrial]
) -> Task:
    needed = [trial.judged_on, trial.crafted_on]
    if trial.kind != CLEAN:
        needed += [block_task(clean[trial.judged_on], other) for other in overlapping(clean, trial, block)]
    return Task(
        id=block_task(trial, block),
        label=label,
        variant=variant,
        trial=trial,
        block=block,
        after=tuple(dict.fromkeys(needed)),
        passes=trial_passes(trial, block),
    )


def overlapping(clean: dict[str, PlannedTrial], trial: PlannedTrial, block: Block) -> list[Block]:
    """The blocks of the judged variant's clean predictions that hold `block`'s examples."""
    return [other for other in clean[trial.judged_on].blocks if other.start < block.stop and block.start < other.stop]


def _attack(trial: PlannedTrial, plan: StudyPlan) -> str:
    several = len({other.seed for other in plan.trials if other.attack == trial.attack}) > 1
    return f"{trial.attack} (seed {trial.seed})" if several else trial.attack


def _make(variant: PlannedVariant, label: str, training_examples: int) -> Task:
    return Task(
        id=variant.key,
        label=label,
        variant=variant,
        trial=None,
        block=None,
        after=() if variant.parent is None else (variant.parent,),
        passes=variant_passes(variant, training_examples),
    )
