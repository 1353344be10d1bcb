"""Doing one task: make a variant, predict without an attack, or attack one block of examples."""

from __future__ import annotations

import errno
import json
import time
import traceback
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from brinell import container
from brinell.attacks import clean_predictions, run_trial
from brinell.core import (
    ROW_SCHEMA,
    TRACE_SCHEMA,
    Block,
    BrinellError,
    PlannedTrial,
    PlannedVariant,
    Progress,
    StoreError,
    UnsupportedError,
)
from brinell.costs import measure
from brinell.models import load_weights
from brinell.store import Failure, Running, table, write_table, write_text
from brinell.study.bench import Bench
from brinell.study.plan import CLEAN
from brinell.study.tasks import Ending, Task, overlapping
from brinell.training import TRAINING_SCHEMA, fit, histories, training_columns
from brinell.variants import Step, Variant

_TOLD_EVERY = 0.2
"""Seconds between two words to whoever watches."""
_SAID_EVERY = 1.0
"""Seconds between two words to `brinell status`, which reads them from the run's folder."""
_FATAL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.EFBIG}
"""What the next task would meet as well: the disk is full, or may not be written."""


def perform(bench: Bench, task: Task, tell: Progress) -> Ending:
    """Do `task`, leave its results in the store, and say how it ended; a failure is kept with its traceback.

    Raises:
        StoreError: the run's folder can no longer be written; going on would be no use.
    """
    bench.store.clear_failure(task.id)
    try:
        (_make if task.trial is None else _judge)(bench, task, _spoken(bench, task, tell))
    except Exception as error:
        if _fatal(error):
            raise
        unsupported = isinstance(error, UnsupportedError)
        message = str(error) if isinstance(error, BrinellError) else f"{type(error).__name__}: {error}"
        bench.store.write_failure(Failure(task.id, task.label, message, traceback.format_exc(), unsupported))
        return Ending(task, "unsupported" if unsupported else "failed", message)
    finally:
        bench.store.clear_running(task.id)
    return Ending(task, "done")


def _fatal(error: BaseException) -> bool:
    return isinstance(error, StoreError) and isinstance(error.__cause__, OSError) and error.__cause__.errno in _FATAL


def _spoken(bench: Bench, task: Task, tell: Progress) -> Progress:
    """`tell`, which also leaves word for `brinell status`, both at most so often."""
    began = time.time()
    told = said = 0.0

    def progress(label: str, done: float, total: float) -> None:
        nonlocal told, said
        now = time.time()
        if now - told >= _TOLD_EVERY:
            told = now
            tell(label, done, total)
        if now - said >= _SAID_EVERY:
            said = now
            with suppress(OSError):  # a word that is lost costs nothing
                bench.store.write_running(Running(task.id, f"{task.label} · {label}", done, total, began, now))

    progress("starting", 0, 1)
    return progress


# Variants


def _make(bench: Bench, task: Task, progress: Progress) -> None:
    planned = task.variant
    scratch = bench.store.scratch(planned.key)
    make = _from_model if planned.parent is None else _from_parent
    variant = make(bench, planned, scratch, progress)
    with bench.store.new_variant(planned.key) as folder:
        encoded = container.write(variant, folder / "variant.brinell")
        if variant.latent is not None:
            container.write_latent(variant, folder / "latent.safetensors")
        write_text(folder / "costs.json", json.dumps(_costs(bench, planned, variant, encoded), indent=1))
        write_text(folder / "figures.json", json.dumps(_figures(variant), indent=1, default=str))
        if epochs := training_columns(histories(scratch)):
            write_table(folder / "training.parquet", table(epochs, TRAINING_SCHEMA), {"variant": planned.name})
    bench.store.clear_scratch(planned.key)


def _from_model(bench: Bench, planned: PlannedVariant, scratch: Path, progress: Progress) -> Variant:
    entry = bench.study.variants[planned.name]
    model = bench.study.models[str(entry.model)]
    module = model.architecture.module(planned.seed)
    if model.weights is not None:
        load_weights(module, model.weights)
    lineage: tuple[Step, ...] = ()
    if entry.train is not None:
        fit(module, bench.splits.train, entry.train, seed=planned.seed, checkpoint=scratch, progress=progress)
        lineage = (Step("train", entry.train.config(), planned.seed),)
    variant = Variant.of(module, input_shape=bench.input_shape, classes=bench.plan.classes)
    return replace(variant, lineage=lineage)


def _from_parent(bench: Bench, planned: PlannedVariant, scratch: Path, progress: Progress) -> Variant:
    compressor = bench.study.variants[planned.name].compressor
    parent = bench.variant(str(planned.parent))
    if compressor is None:
        raise AssertionError(f"{planned.name} has a parent and no compressor")
    return compressor.compress(parent, bench.splits.train, seed=planned.seed, checkpoint=scratch, progress=progress)


def _costs(bench: Bench, planned: PlannedVariant, variant: Variant, encoded_bytes: int) -> dict[str, Any]:
    """Its own counts, its file's size, and the bytes of the dense network that its compression is measured against."""
    costs: dict[str, Any] = {**measure(variant, bench.input_shape).record(), "encoded_bytes": encoded_bytes}
    if planned.baseline != planned.key:
        costs["dense_bytes"] = (bench.store.costs(planned.baseline) or costs)["dense_bytes"]
    return costs


def _figures(variant: Variant) -> dict[str, Any]:
    """What each step noted, for a report, which does not open the file of a network."""
    return {
        "steps": [{"kind": step.kind, "seed": step.seed, "figures": dict(step.figures)} for step in variant.lineage]
    }


# Trials


def _judge(bench: Bench, task: Task, progress: Progress) -> None:
    trial, block = task.trial, task.block
    if trial is None or block is None:
        raise AssertionError(f"{task.id} is not a block of a trial")
    images, labels, ids = (part[block.start : block.stop] for part in bench.test)
    judged = bench.judged(trial.judged_on, trial.runtime)
    footer = _footer(bench, task)
    if trial.kind == CLEAN:
        rows, traces = clean_predictions(judged, images, labels, ids, seed=trial.seed), None
    else:
        result = run_trial(
            judged,
            bench.crafted_on(trial.crafted_on, trial.view),
            images,
            labels,
            ids,
            bench.attack(trial),
            points=trial.points,
            seed=trial.seed,
            clean=_clean(bench, trial, block),
            trace_every=trial.trace_every,
            progress=progress,
        )
        rows = result.rows
        traces = None if result.traces is None else table(result.traces, TRACE_SCHEMA)
    bench.store.write_rows(trial.key, block.name, table(rows, ROW_SCHEMA), footer, traces)


def _clean(bench: Bench, trial: PlannedTrial, block: Block) -> dict[str, Any]:
    """The judged variant's predictions on the block's examples, without an attack."""
    clean = {other.judged_on: other for other in bench.plan.trials if other.kind == CLEAN}
    blocks = overlapping(clean, trial, block)
    rows = pl.concat([bench.store.read_rows(clean[trial.judged_on].key, other.name) for other in blocks])
    part = rows.slice(block.start - blocks[0].start, block.stop - block.start)
    return {name: part[name].to_numpy(writable=True) for name in ("prediction", "rank", "margin")}


def _footer(bench: Bench, task: Task) -> dict[str, Any]:
    """What made the rows, for whoever finds the file alone."""
    trial, block = task.trial, task.block
    if trial is None or block is None:
        raise AssertionError(f"{task.id} is not a block of a trial")
    return {
        "block": block.model_dump(),
        "data": {"name": bench.plan.dataset, "fingerprint": bench.plan.fingerprint},
        "environment": dict(bench.environment),
        "trial": trial.model_dump(mode="json", exclude={"blocks"}),
        "variant": bench.variants[trial.judged_on].model_dump(mode="json"),
    }
