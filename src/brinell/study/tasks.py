"""What is left to compute: the plan less what the store holds. This is the whole of resume."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

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


def missing(plan: StudyPlan, store: RunStore, *, training_examples: int = 0) -> tuple[Task, ...]:
    """The tasks whose results the store does not hold, each with those it has to wait for.

    `training_examples` is the size of the training split, for the estimates.
    """
    variants = {variant.key: variant for variant in plan.variants}
    clean = {trial.judged_on: trial for trial in plan.trials if trial.kind == CLEAN}
    unmade = [variant for variant in plan.variants if not store.has_variant(variant.key)]
    tasks = {variant.key: _make(variant, plan, training_examples) for variant in unmade}
    trials = sorted(plan.trials, key=lambda trial: trial.kind != CLEAN)
    for trial in trials:
        for index, block in enumerate(trial.blocks):
            if not store.has_rows(trial.key, block.name):
                needed = [trial.judged_on, trial.crafted_on]
                if trial.kind != CLEAN:
                    needed += [block_task(clean[trial.judged_on], other) for other in overlapping(clean, trial, block)]
                place = f" · {index + 1}/{len(trial.blocks)}" if len(trial.blocks) > 1 else ""
                task = Task(
                    id=block_task(trial, block),
                    label=f"{title(variants[trial.judged_on], plan)} · {_attack(trial, plan)}{place}",
                    variant=variants[trial.judged_on],
                    trial=trial,
                    block=block,
                    after=tuple(dict.fromkeys(needed)),
                    passes=trial_passes(trial, block),
                )
                tasks[task.id] = task
    return tuple(replace(task, after=tuple(name for name in task.after if name in tasks)) for task in tasks.values())


def overlapping(clean: dict[str, PlannedTrial], trial: PlannedTrial, block: Block) -> list[Block]:
    """The blocks of the judged variant's clean predictions that hold `block`'s examples."""
    return [other for other in clean[trial.judged_on].blocks if other.start < block.stop and block.start < other.stop]


def title(variant: PlannedVariant, plan: StudyPlan) -> str:
    """The variant's name, with its seed where there are several."""
    several = sum(other.name == variant.name for other in plan.variants) > 1
    return f"{variant.name} (seed {variant.seed})" if several else variant.name


def _attack(trial: PlannedTrial, plan: StudyPlan) -> str:
    several = len({other.seed for other in plan.trials if other.attack == trial.attack}) > 1
    return f"{trial.attack} (seed {trial.seed})" if several else trial.attack


def _make(variant: PlannedVariant, plan: StudyPlan, training_examples: int) -> Task:
    return Task(
        id=variant.key,
        label=title(variant, plan),
        variant=variant,
        trial=None,
        block=None,
        after=() if variant.parent is None else (variant.parent,),
        passes=variant_passes(variant, training_examples),
    )
