"""Judging one block of examples: without an attack, attacked, or with adversarials of another variant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl
from torch import Tensor, nn

from brinell.attacks import TrialResult, clean_predictions, craft, judge_crafted, run_trial
from brinell.core import (
    ROW_SCHEMA,
    TRACE_SCHEMA,
    Block,
    BrinellError,
    PlannedTrial,
    Progress,
    StoreError,
    UnsupportedError,
)
from brinell.runtimes import Reference
from brinell.store import table
from brinell.study.plan import CLEAN
from brinell.study.tasks import Task, overlapping
from brinell.study.worker_context import WorkerContext

Examples = tuple[Tensor, Tensor, Tensor]
"""Images, labels, ids."""


class BlockedError(BrinellError):
    """Something that the task needs was not made; what could be done without it is done."""


def judge(context: WorkerContext, task: Task, progress: Progress) -> None:
    """Judge the task's block of examples on every variant of its trials, and keep the rows."""
    trial, block = task.trial, task.block
    if trial is None or block is None:
        raise AssertionError(f"{task.id} is not a block of a trial")
    images, labels, ids = (values[block.start : block.stop] for values in context.test)
    part = (images, labels, ids)
    if trial.kind == CLEAN:
        judged = context.judged(trial.judged_on, trial.runtime)
        _keep(context, trial, block, TrialResult(clean_predictions(judged, *part, seed=trial.seed), None, None))
    elif len(task.trials) == 1 and trial.judged_on == trial.crafted_on:
        _keep(context, trial, block, _white_box(context, trial, block, part, progress))
    else:
        _transfer(context, task.trials, block, part, progress)


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
    """Craft once, and judge on every variant that is there; what one of them cannot do does not hold up the others."""
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
    traces = None if result.traces is None else table(result.traces, TRACE_SCHEMA)
    footer = {**_footer(context, trial, block), "computation": result.computation.record()}
    context.store.write_rows(trial.key, block.name, table(result.rows, ROW_SCHEMA), footer, traces)


def _clean(context: WorkerContext, trial: PlannedTrial, block: Block) -> dict[str, Any]:
    """The judged variant's predictions on the block's examples, without an attack."""
    clean = {other.judged_on: other for other in context.plan.trials if other.kind == CLEAN}
    blocks = overlapping(clean, trial, block)
    rows = pl.concat([context.store.read_rows(clean[trial.judged_on].key, other.name) for other in blocks])
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
