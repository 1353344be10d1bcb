"""A plan as tasks, and which of them are left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from brinell.analysis.labels import labels
from brinell.analysis.rows import judged_blocks
from brinell.core import Block, PlannedProbe, PlannedTrial, PlannedVariant, StoreError, StudyPlan
from brinell.probes import PROBES
from brinell.store import RunStore
from brinell.study.estimate import trial_passes, variant_passes
from brinell.study.plan import CLEAN

Kind = Literal["making", "judging", "asking"]
Status = Literal["done", "failed", "unsupported", "blocked"]


@dataclass(frozen=True)
class Task:
    """One thing that a worker does in one go; `after` are the tasks that must be done before."""

    id: str
    """The variant's or the probe's key, or the first trial's and its block's name: also its failure's file."""
    label: str
    variant: PlannedVariant
    """The variant that is made, or attacked."""
    trials: tuple[PlannedTrial, ...]
    """None where nothing is judged; several where adversarials are crafted once and judged on several variants."""
    block: Block | None
    probe: PlannedProbe | None
    after: tuple[str, ...]
    passes: float
    """Estimated forward passes of one image; a backward pass counts as two."""
    after_any: tuple[str, ...] = ()
    """Tasks that must have ended before, well or not: what they were to make is left out if it is not there."""

    @property
    def trial(self) -> PlannedTrial | None:
        """The first of its trials."""
        return self.trials[0] if self.trials else None

    @property
    def records(self) -> tuple[str, ...]:
        """Names under which its failure is kept: one for each trial, so that a report finds it."""
        if self.block is None:
            return (self.id,)
        return tuple(block_task((trial,), self.block) for trial in self.trials)

    @property
    def kind(self) -> Kind:
        """What sort of work it is."""
        if self.probe is not None:
            return "asking"
        return "judging" if self.trials else "making"

    @property
    def priority(self) -> int:
        """Variants first, then clean predictions, then attacks: what others wait for is not kept waiting."""
        if self.trial is not None:
            return 1 if self.trial.kind == CLEAN else 2
        return 0 if self.probe is None else 3

    @property
    def exclusive(self) -> bool:
        """Whether nothing else may run meanwhile."""
        return self.probe is not None and PROBES[self.probe.kind].exclusive


@dataclass(frozen=True)
class TaskResult:
    """How a task ended, and why where it did not end well."""

    task: Task
    status: Status
    message: str = ""


def tasks(plan: StudyPlan, *, training_examples: int = 0) -> tuple[Task, ...]:
    """Everything a study does; `training_examples` is the size of the training split, for the estimates.

    A block of a trial belongs to one task, whatever number of attacks share it: crafting for several variants comes
    first, because it cannot leave one of them out.
    """
    names, variants = labels(plan), {variant.key: variant for variant in plan.variants}
    making = [_make(variant, names[variant.key], training_examples) for variant in plan.variants]
    clean = {trial.judged_on: trial for trial in plan.trials if trial.kind == CLEAN}
    judging: list[Task] = []
    taken: set[tuple[str, str]] = set()
    for trials in sorted(_crafted_together(plan), key=lambda trials: (trials[0].kind != CLEAN, -len(trials))):
        source, blocks = trials[0].crafted_on, trials[0].blocks
        for index, block in enumerate(blocks):
            left = tuple(trial for trial in trials if (trial.key, block.name) not in taken)
            taken |= {(trial.key, block.name) for trial in left}
            place = f" · {index + 1}/{len(blocks)}" if len(blocks) > 1 else ""
            if left:
                what = f"{names[source]} · {_attack(left, plan)}{_judges(left, names)}{place}"
                judging.append(_judge(what, variants[source], left, block, clean))
    order = {trial.key: place for place, trial in reversed(list(enumerate(plan.trials)))}
    judging.sort(key=lambda task: (task.priority, min(order[trial.key] for trial in task.trials)))
    return (*making, *judging, *(_ask(probe, names, variants) for probe in plan.probes))


def _crafted_together(plan: StudyPlan) -> list[tuple[PlannedTrial, ...]]:
    """Trials of one attack, seed and source."""
    together: dict[tuple[str, int, str], list[PlannedTrial]] = {}
    for trial in plan.trials:
        together.setdefault((trial.attack, trial.seed, trial.crafted_on), []).append(trial)
    return [tuple(trials) for trials in together.values()]


def missing(everything: Sequence[Task], store: RunStore, classes: int) -> tuple[Task, ...]:
    """The tasks whose results the store does not hold, waiting for each other only. This is the whole of resume."""
    left = {task.id: part for task in everything if (part := _lacking(task, store, classes)) is not None}
    waiting = [
        replace(
            task,
            after=tuple(name for name in task.after if name in left),
            after_any=tuple(name for name in task.after_any if name in left),
        )
        for task in left.values()
    ]
    return _one_by_one_at_last(waiting)


def _one_by_one_at_last(left: list[Task]) -> tuple[Task, ...]:
    """What must run alone waits for everything else, and for each other."""
    before = [task for task in left if not task.exclusive]
    after_any = tuple(task.id for task in before)
    for task in (task for task in left if task.exclusive):
        before.append(replace(task, after_any=after_any))
        after_any = (task.id,)
    return tuple(before)


def _lacking(task: Task, store: RunStore, classes: int) -> Task | None:
    """The task with those of its trials that are not judged yet; `None` if it is done."""
    if task.probe is not None:
        return None if _answered(store, task.probe) else task
    if task.block is None:
        return None if store.has_variant(task.variant.key) else task
    block = task.block
    trials = tuple(trial for trial in task.trials if not judged_blocks(store, trial, block, classes))
    return replace(task, trials=trials, passes=_passes(trials, block)) if trials else None


def _answered(store: RunStore, probe: PlannedProbe) -> bool:
    if not store.has_probe(probe.key):
        return False
    try:
        store.read_probe(probe.key)
    except StoreError:
        return False
    return True


def _judge(
    label: str,
    source: PlannedVariant,
    trials: tuple[PlannedTrial, ...],
    block: Block,
    clean: dict[str, PlannedTrial],
) -> Task:
    needed = {trial.key: _needed(trial, block, clean) for trial in trials}
    together = dict.fromkeys(name for names in needed.values() for name in names)
    exclusive = len(trials) == 1
    return Task(
        id=block_task(trials, block),
        label=label,
        variant=source,
        trials=trials,
        block=block,
        probe=None,
        after=tuple(together) if exclusive else (source.key,),
        after_any=() if exclusive else tuple(name for name in together if name != source.key),
        passes=_passes(trials, block),
    )


def _needed(trial: PlannedTrial, block: Block, clean: dict[str, PlannedTrial]) -> list[str]:
    """What a trial's block waits for: its variants, and the clean predictions of the one it is judged on."""
    needed = [trial.crafted_on, trial.judged_on]
    if trial.kind != CLEAN:
        needed += [block_task((clean[trial.judged_on],), other) for other in overlapping(clean, trial, block)]
    return needed


def overlapping(clean: dict[str, PlannedTrial], trial: PlannedTrial, block: Block) -> list[Block]:
    """The blocks of the judged variant's clean predictions that hold `block`'s examples."""
    return [other for other in clean[trial.judged_on].blocks if other.start < block.stop and block.start < other.stop]


def block_task(trials: tuple[PlannedTrial, ...], block: Block) -> str:
    """The id of the task that computes one block of these trials."""
    return f"{trials[0].key}.{block.name}"


def _passes(trials: tuple[PlannedTrial, ...], block: Block) -> float:
    """Crafting once, judging for each."""
    return trial_passes(trials[0], block, judged=len(trials))


def _attack(trials: tuple[PlannedTrial, ...], plan: StudyPlan) -> str:
    trial = trials[0]
    several = len({other.seed for other in plan.trials if other.attack == trial.attack}) > 1
    return f"{trial.attack} (seed {trial.seed})" if several else trial.attack


def _judges(trials: tuple[PlannedTrial, ...], names: Mapping[str, str]) -> str:
    """Whom the adversarials of another variant are judged on."""
    if len(trials) > 1:
        return f" on {len(trials)} variants"
    (trial,) = trials
    return "" if trial.judged_on == trial.crafted_on else f" on {names[trial.judged_on]}"


def _ask(probe: PlannedProbe, names: Mapping[str, str], variants: Mapping[str, PlannedVariant]) -> Task:
    variant = variants[probe.variant]
    return Task(
        id=probe.key,
        label=f"{names[variant.key]} · {probe.kind}",
        variant=variant,
        trials=(),
        block=None,
        probe=probe,
        after=(variant.key,),
        passes=PROBES.parse(probe.spec).passes(),
    )


def _make(variant: PlannedVariant, label: str, training_examples: int) -> Task:
    return Task(
        id=variant.key,
        label=label,
        variant=variant,
        trials=(),
        block=None,
        probe=None,
        after=() if variant.parent is None else (variant.parent,),
        passes=variant_passes(variant, training_examples),
    )
