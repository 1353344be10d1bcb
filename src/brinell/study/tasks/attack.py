"""Judge one block of examples: without an attack, attacked, or with adversarials of another variant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import polars as pl
from torch import Tensor, nn

from brinell.analysis.rows import has_valid_block
from brinell.attacks import ATTACKS, TrialResult, clean_predictions, craft, judge_crafted, run_trial
from brinell.core import (
    ROW_SCHEMA,
    TRACE_SCHEMA,
    Block,
    BrinellError,
    PlannedTrial,
    Point,
    Progress,
    StoreError,
    UnsupportedError,
)
from brinell.nn import SURROGATES
from brinell.runtimes import Reference
from brinell.store import RunStore, frame_of_schema
from brinell.store.merged_tables import block_place
from brinell.study.plan import CLEAN
from brinell.study.tasks.task import BlockedError, Task
from brinell.study.worker_context import WorkerContext

Examples = tuple[Tensor, Tensor, Tensor]
"""Images, labels, ids."""


@dataclass(frozen=True, kw_only=True)
class AttackTask(Task):
    """Its results are rows, one file a trial. Its id is the first trial's key and the block's name.

    Several trials differ in the judged variant only: adversarials are crafted once and judged on each of them.
    """

    trials: tuple[PlannedTrial, ...]
    """At least one."""
    block: Block

    kind = "judging"

    @property
    def trial(self) -> PlannedTrial:
        """The first of its trials."""
        return self.trials[0]

    @property
    def priority(self) -> int:
        """Clean predictions first: attacks wait for them."""
        return 1 if self.trial.kind == CLEAN else 2

    @property
    def records(self) -> tuple[str, ...]:
        """One for each trial, so that a report finds it."""
        return tuple(block_task_id(trial, self.block) for trial in self.trials)

    def missing(self, store: RunStore, classes: int) -> Self | None:
        """The task with those of its trials whose rows are missing or damaged."""
        trials = tuple(trial for trial in self.trials if not has_valid_block(store, trial, self.block, classes))
        if not trials:
            return None
        saved = (judging_passes(self.trials) - judging_passes(trials)) * (self.block.stop - self.block.start)
        return replace(self, trials=trials, passes=self.passes - saved)

    def damaged(self, store: RunStore) -> Iterator[str]:
        """The files of its trials' rows."""
        for trial in self.trials:
            if place := block_place(store.root, "trials", trial.key, self.block.name):
                yield place

    def run(self, context: WorkerContext, progress: Progress) -> None:
        """Judge the block on every variant of its trials, and keep the rows."""
        trial, block = self.trial, self.block
        images, labels, ids = (values[block.start : block.stop] for values in context.test)
        part = (images, labels, ids)
        if trial.kind == CLEAN:
            judged = context.judged(trial.judged_on, trial.runtime)
            _keep(context, trial, block, TrialResult(clean_predictions(judged, *part, seed=trial.seed), None, None))
        elif len(self.trials) == 1 and trial.judged_on == trial.crafted_on:
            _keep(context, trial, block, _white_box(context, trial, block, part, progress))
        else:
            _transfer(context, self.trials, block, part, progress)

    def unfinished(self, store: RunStore) -> Iterator[str]:
        """The records of those trials that have no rows."""
        for trial, name in zip(self.trials, self.records, strict=True):
            if not store.has_whole_rows(trial.key, self.block.name):
                yield name


def block_task_id(trial: PlannedTrial, block: Block) -> str:
    """The id of the task that computes one block of this trial, if it is the task's first."""
    return f"{trial.key}.{block.name}"


def crafting_passes(trial: PlannedTrial) -> float:
    """Estimated passes for one example of crafting all points of a trial; none without an attack."""
    if trial.kind not in ATTACKS:
        return 0.0
    attack = ATTACKS.parse({name: value for name, value in trial.spec.items() if name != "revision"})
    steps: dict[float | None, int] = {}
    for point in trial.points:
        steps[point.epsilon] = max(steps.get(point.epsilon, 0), point.steps)
    runs = len(SURROGATES) * (1 + ("loss" in type(attack).model_fields)) if trial.view == "all" else 1
    return runs * sum(attack.at(Point(*point)).passes for point in steps.items())


def judging_passes(trials: Sequence[PlannedTrial]) -> float:
    """Estimated passes for one example of judging all points as floats and as bytes, for each trial."""
    return 2.0 * len(trials) * len(trials[0].points)


def _white_box(
    context: WorkerContext, trial: PlannedTrial, block: Block, part: Examples, progress: Progress
) -> TrialResult:
    return run_trial(
        context.judged(trial.judged_on, trial.runtime),
        _source(context, trial),
        *part,
        context.attack(trial),
        points=trial.points,
        seed=trial.seed,
        clean=_clean(context, trial, block),
        trace_every=trial.trace_every,
        progress=progress,
    )


def _source(context: WorkerContext, trial: PlannedTrial) -> nn.Module:
    """What the attack asks: through scores the network as it is judged, for gradients PyTorch's."""
    if context.attack(trial).needs == "scores" and trial.runtime != Reference.kind:
        return context.judged(trial.crafted_on, trial.runtime)
    return context.crafted_on(trial.crafted_on, trial.view)


def _transfer(
    context: WorkerContext, trials: Sequence[PlannedTrial], block: Block, part: Examples, progress: Progress
) -> None:
    """Craft once, and judge on every variant that is made; an error on one of them does not stop the others."""
    first = trials[0]
    errors: list[BrinellError] = []
    absent: list[str] = []
    source = _source(context, first)
    crafted = craft(source, *part, context.attack(first), points=first.points, seed=first.seed, progress=progress)
    for done, trial in enumerate(trials):
        progress("judging", done, len(trials))
        name = context.variants[trial.judged_on].name
        try:
            clean = _clean(context, trial, block)
        except StoreError:
            absent.append(name)
            continue
        try:
            judged = context.judged(trial.judged_on, trial.runtime)
            white_box = trial.judged_on == trial.crafted_on
            _keep(context, trial, block, judge_crafted(judged, crafted, clean=clean, white_box=white_box))
        except BrinellError as error:
            if isinstance(error, StoreError):
                raise
            errors.append(type(error)(f"judged on {name}: {error}"))
    errors.sort(key=lambda error: isinstance(error, UnsupportedError))
    if errors and not (absent and isinstance(errors[0], UnsupportedError)):
        raise errors[0]
    if absent:
        raise BlockedError(f"{', '.join(absent)}: not made, or not judged without an attack")


def _keep(context: WorkerContext, trial: PlannedTrial, block: Block, result: TrialResult) -> None:
    traces = None if result.traces is None else frame_of_schema(result.traces, TRACE_SCHEMA)
    footer = {**_footer(context, trial, block), "computation": result.computation.record()}
    context.store.write_rows(trial.key, block.name, frame_of_schema(result.rows, ROW_SCHEMA), footer, traces)


def _clean(context: WorkerContext, trial: PlannedTrial, block: Block) -> dict[str, Any]:
    """The judged variant's predictions on the block's examples, without an attack."""
    clean = context.clean_trials[trial.judged_on]
    blocks = clean.overlapping(block)
    rows = pl.concat([context.store.read_rows(clean.key, other.name) for other in blocks])
    part = rows.slice(block.start - blocks[0].start, block.stop - block.start)
    return {name: part[name].to_numpy(writable=True) for name in ("prediction", "rank", "margin")}


def _footer(context: WorkerContext, trial: PlannedTrial, block: Block) -> dict[str, Any]:
    """What made the rows, for whoever finds the file alone."""
    return {
        "block": block.model_dump(),
        "data": {"name": context.plan.dataset, "fingerprint": context.plan.fingerprint},
        "environment": dict(context.environment),
        "trial": trial.model_dump(mode="json", exclude={"blocks"}),
        "variant": context.variants[trial.judged_on].model_dump(mode="json"),
    }
