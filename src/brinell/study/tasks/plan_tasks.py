"""A plan as tasks, and which of them are missing in a run's folder."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from brinell.analysis.labels import labels
from brinell.core import Block, PlannedProbe, PlannedTrial, PlannedVariant, StudyPlan
from brinell.probes import PROBES
from brinell.store import RunStore
from brinell.study.plan import CLEAN
from brinell.study.tasks.attack import AttackTask, block_task_id, crafting_passes, judging_passes
from brinell.study.tasks.probe import ProbeTask
from brinell.study.tasks.task import Task
from brinell.study.tasks.variant import VariantTask, variant_passes


def tasks(plan: StudyPlan, *, training_examples: int = 0) -> tuple[Task, ...]:
    """Everything that a study does.

    Args:
        plan: The plan.
        training_examples: Size of the training split, for the estimates.

    Returns:
        Tasks; each waits for those that it names.

    Examples:
        >>> from brinell.study.reading import find
        >>> study = Study.from_yaml(find("quickstart"))
        >>> len(tasks(plan(study))) > 0
        True
    """
    names, variants = labels(plan), {variant.key: variant for variant in plan.variants}
    return (
        *(_variant_task(variant, names[variant.key], training_examples) for variant in plan.variants),
        *_attack_tasks(plan, names, variants),
        *(_probe_task(probe, names[probe.variant], variants[probe.variant]) for probe in plan.probes),
    )


def missing(everything: Sequence[Task], store: RunStore, classes: int) -> tuple[Task, ...]:
    """The tasks whose results the store does not hold, waiting for each other only. This is the whole of resume.

    Args:
        everything: All tasks of the plan.
        store: The run's folder.
        classes: Number of classes of the data; rows of others are damaged.

    Returns:
        Those to do, in the order of `everything`.

    Examples:
        >>> import pathlib, tempfile
        >>> from brinell.store import RunStore
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     missing([], RunStore(pathlib.Path(folder)), classes=10)
        ()
    """
    parts = {task.id: part for task in everything if (part := task.missing(store, classes)) is not None}
    waiting = [
        replace(
            task,
            after=tuple(name for name in task.after if name in parts),
            after_any=tuple(name for name in task.after_any if name in parts),
        )
        for task in parts.values()
    ]
    return _exclusive_last(waiting)


def _exclusive_last(waiting: list[Task]) -> tuple[Task, ...]:
    """Exclusive tasks wait for all others, and then for each other."""
    ordered = [task for task in waiting if not task.exclusive]
    after_any = tuple(task.id for task in ordered)
    for task in waiting:
        if task.exclusive:
            ordered.append(replace(task, after_any=after_any))
            after_any = (task.id,)
    return tuple(ordered)


def _variant_task(variant: PlannedVariant, label: str, training_examples: int) -> VariantTask:
    after = () if variant.parent is None else (variant.parent,)
    return VariantTask(variant.key, label, variant, after, variant_passes(variant, training_examples))


def _probe_task(probe: PlannedProbe, label: str, variant: PlannedVariant) -> ProbeTask:
    passes = PROBES.parse(probe.spec).passes()
    return ProbeTask(probe.key, f"{label} · {probe.kind}", variant, (variant.key,), passes, probe=probe)


def _attack_tasks(
    plan: StudyPlan, names: Mapping[str, str], variants: Mapping[str, PlannedVariant]
) -> Iterable[AttackTask]:
    """A block of a trial belongs to one task, also where several attacks of the study share the trial.

    Groups of trials that are crafted together come first, because they cannot leave one of their trials out.
    """
    clean = {trial.judged_on: trial for trial in plan.trials if trial.kind == CLEAN}
    attack_names = _attack_names(plan)
    alike = {(trial.attack, trial.view): trial for trial in plan.trials}
    passes = {key: crafting_passes(trial) for key, trial in alike.items()}
    found: list[AttackTask] = []
    taken: set[tuple[str, str]] = set()
    for trials in sorted(_crafted_together(plan), key=lambda trials: (trials[0].kind != CLEAN, -len(trials))):
        source, blocks = trials[0].crafted_on, trials[0].blocks
        for index, block in enumerate(blocks):
            own = tuple(trial for trial in trials if (trial.key, block.name) not in taken)
            taken.update((trial.key, block.name) for trial in own)
            if own:
                part = f" · {index + 1}/{len(blocks)}" if len(blocks) > 1 else ""
                attack = attack_names[own[0].attack, own[0].seed]
                label = f"{names[source]} · {attack}{_judged_on(own, names)}{part}"
                passes_each = passes[own[0].attack, own[0].view] + judging_passes(own)
                found.append(_attack_task(label, variants[source], own, block, clean, passes_each))
    order = {trial.key: index for index, trial in reversed(list(enumerate(plan.trials)))}
    return sorted(found, key=lambda task: (task.priority, min(order[trial.key] for trial in task.trials)))


def _crafted_together(plan: StudyPlan) -> list[tuple[PlannedTrial, ...]]:
    """Trials of one attack, seed and source."""
    together: dict[tuple[str, int, str], list[PlannedTrial]] = defaultdict(list)
    for trial in plan.trials:
        together[trial.attack, trial.seed, trial.crafted_on].append(trial)
    return [tuple(trials) for trials in together.values()]


def _attack_task(
    label: str,
    source: PlannedVariant,
    trials: tuple[PlannedTrial, ...],
    block: Block,
    clean: Mapping[str, PlannedTrial],
    passes: float,
) -> AttackTask:
    """A block of trials that are crafted together; `passes` are those for one example.

    Of several judged variants, those that are not made are left out, so that the task needs the source only.
    """
    needed = tuple(dict.fromkeys(name for trial in trials for name in _needed(trial, block, clean)))
    alone = len(trials) == 1
    return AttackTask(
        block_task_id(trials[0], block),
        label,
        source,
        needed if alone else (source.key,),
        passes * (block.stop - block.start),
        () if alone else tuple(name for name in needed if name != source.key),
        trials=trials,
        block=block,
    )


def _needed(trial: PlannedTrial, block: Block, clean: Mapping[str, PlannedTrial]) -> Iterator[str]:
    """What a trial's block waits for: its variants, and the clean predictions of the one it is judged on."""
    yield trial.crafted_on
    yield trial.judged_on
    if trial.kind != CLEAN:
        judged = clean[trial.judged_on]
        yield from (block_task_id(judged, other) for other in judged.overlapping(block))


def _attack_names(plan: StudyPlan) -> dict[tuple[str, int], str]:
    """What an attack with a seed is called: its name, with the seed where the study has several."""
    seeds: dict[str, set[int]] = defaultdict(set)
    for trial in plan.trials:
        seeds[trial.attack].add(trial.seed)
    return {
        (attack, seed): f"{attack} (seed {seed})" if len(of_attack) > 1 else attack
        for attack, of_attack in seeds.items()
        for seed in of_attack
    }


def _judged_on(trials: tuple[PlannedTrial, ...], names: Mapping[str, str]) -> str:
    """The judged variants, where they are others than the source."""
    if len(trials) > 1:
        return f" on {len(trials)} variants"
    (trial,) = trials
    return "" if trial.judged_on == trial.crafted_on else f" on {names[trial.judged_on]}"
