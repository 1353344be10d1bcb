"""Making one variant: from an architecture, or from the variant it is compressed from."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from brinell import container
from brinell.core import PlannedVariant, Progress
from brinell.costs import measure
from brinell.models import load_weights
from brinell.store import table, write_table, write_text
from brinell.study.tasks import Task
from brinell.study.worker_context import WorkerContext
from brinell.training import TRAINING_SCHEMA, fit, histories, training_columns
from brinell.variants import Step, Variant


def make(context: WorkerContext, task: Task, progress: Progress) -> None:
    """Make the task's variant, and keep it with what it costs and how it was trained."""
    planned = task.variant
    scratch = context.store.scratch(planned.key)
    made = _from_model if planned.parent is None else _from_parent
    variant = made(context, planned, scratch, progress)
    with context.store.new_variant(planned.key) as folder:
        file = folder / "variant.brinell"
        counted = {
            **_costs(context, planned, variant, container.write(variant, file)),
            **container.sizes(variant, file),
        }
        if variant.latent is not None:
            container.write_latent(variant, folder / "latent.safetensors")
        write_text(folder / "costs.json", json.dumps(counted, indent=1))
        write_text(folder / "figures.json", json.dumps(_figures(variant), indent=1, default=str))
        if epochs := training_columns(histories(scratch)):
            write_table(folder / "training.parquet", table(epochs, TRAINING_SCHEMA), {"variant": planned.name})
    context.store.clear_scratch(planned.key)


def _from_model(context: WorkerContext, planned: PlannedVariant, scratch: Path, progress: Progress) -> Variant:
    entry = context.study.variants[planned.name]
    model = context.study.models[str(entry.model)]
    module = model.architecture.module(planned.seed)
    if model.weights is not None:
        load_weights(module, model.weights)
    lineage: tuple[Step, ...] = ()
    if entry.train is not None:
        fit(module, context.splits.train, entry.train, seed=planned.seed, checkpoint=scratch, progress=progress)
        lineage = (Step("train", entry.train.config(), planned.seed),)
    variant = Variant.of(module, input_shape=context.input_shape, classes=context.plan.classes)
    return replace(variant, lineage=lineage)


def _from_parent(context: WorkerContext, planned: PlannedVariant, scratch: Path, progress: Progress) -> Variant:
    compressor = context.study.variants[planned.name].compressor
    parent = context.variant(str(planned.parent))
    if compressor is None:
        raise AssertionError(f"{planned.name} has a parent and no compressor")
    return compressor.compress(parent, context.splits.train, seed=planned.seed, checkpoint=scratch, progress=progress)


def _costs(context: WorkerContext, planned: PlannedVariant, variant: Variant, encoded_bytes: int) -> dict[str, Any]:
    """Its own counts, its file's size, and the bytes of the dense network that its lineage began with."""
    costs: dict[str, Any] = {**measure(variant, context.input_shape).record(), "encoded_bytes": encoded_bytes}
    if planned.parent is not None:
        costs["dense_bytes"] = (context.store.costs(context.root(planned)) or costs)["dense_bytes"]
    return costs


def _figures(variant: Variant) -> dict[str, Any]:
    """What each step noted, for a report, which does not open the file of a network."""
    return {
        "steps": [{"kind": step.kind, "seed": step.seed, "figures": dict(step.figures)} for step in variant.lineage]
    }
