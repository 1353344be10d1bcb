"""Make one variant: from an architecture, or from the variant it is compressed from."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from brinell import container
from brinell.compressors import COMPRESSORS, Compressor
from brinell.core import PlannedVariant, Progress
from brinell.costs import measure
from brinell.store import RunStore, frame_of_schema, write_table, write_text
from brinell.study.config import ModelVariant
from brinell.study.networks import load_variant
from brinell.study.tasks.task import Task
from brinell.study.worker_context import WorkerContext
from brinell.training import TRAINING_SCHEMA, Adversarial, Train, fit, histories, training_columns
from brinell.variants import Step, Variant

_GRADIENT: Final = 3
"""Forward passes that a gradient step costs: one forward, and a backward pass that costs twice as much."""


@dataclass(frozen=True)
class VariantTask(Task):
    """Its result is the variant's folder: network, costs, training curves. Its id is the variant's key."""

    kind = "making"

    @property
    def priority(self) -> int:
        """First: everything else waits for variants."""
        return 0

    def missing(self, store: RunStore, classes: int) -> Self | None:
        """The task, unless the variant's files are there and whole."""
        return None if store.has_whole_variant(self.variant.key) else self

    def damaged(self, store: RunStore) -> Iterable[str]:
        """The variant's folder, where there is one, and checkpoints that are not gone on from."""
        if store.variant(self.variant.key).exists():
            yield f"variants/{self.variant.key}"
        yield from store.damaged_checkpoints(self.variant.key)

    def run(self, context: WorkerContext, progress: Progress) -> None:
        """Make the variant. Training goes on from its last checkpoint, in the variant's scratch folder."""
        planned = self.variant
        scratch = context.store.scratch(planned.key)
        entry = context.study.variants[planned.name]
        if isinstance(entry, ModelVariant):
            variant = _from_model(context, entry, planned, scratch, progress)
        else:
            variant = _from_parent(context, entry.compressor, planned, scratch, progress)
        with context.store.new_variant(planned.key) as folder:
            file = folder / "variant.brinell"
            counted = {
                **_costs(context, planned, variant, container.write(variant, file)),
                **container.compare_sizes(variant, file),
            }
            if variant.latent is not None:
                container.write_latent(variant, folder / "latent.safetensors")
            write_text(folder / "costs.json", json.dumps(counted, indent=1))
            write_text(folder / "figures.json", json.dumps(_figures(variant), indent=1, default=str))
            if epochs := training_columns(histories(scratch)):
                write_table(
                    folder / "training.parquet", frame_of_schema(epochs, TRAINING_SCHEMA), {"variant": planned.name}
                )
        context.store.clear_scratch(planned.key)


def variant_passes(variant: PlannedVariant, training_examples: int) -> float:
    """Estimated forward and backward passes of its training; 0 for weights taken as they are."""
    spec: Compressor | Train
    if variant.family in COMPRESSORS:
        spec = COMPRESSORS.parse(variant.settings)
        train: Train | None = getattr(spec, "train", None)
        teacher = spec.has_teacher
    elif variant.settings:
        spec = train = Train.parse(variant.settings)
        teacher = False
    else:
        return 0.0
    adversarial: Adversarial | None = getattr(spec, "adversarial", None) or getattr(train, "adversarial", None)
    steps = adversarial.fraction * adversarial.steps if adversarial else 0.0
    taught = teacher or bool(train and train.distillation)
    held_out = min(train.holdout if train else 0, training_examples)
    learnt = training_examples - held_out  # what is held out is classified after each epoch
    return spec.epochs * (learnt * (_GRADIENT * (1 + steps) + taught) + held_out)


def _from_model(
    context: WorkerContext, entry: ModelVariant, planned: PlannedVariant, scratch: Path, progress: Progress
) -> Variant:
    model = context.study.models[entry.model]
    variant = load_variant(model, context.input_shape, context.plan.classes, planned.seed)
    if entry.train is None:
        return variant
    module = variant.trainable()
    fit(module, context.splits.train, entry.train, seed=planned.seed, checkpoint=scratch, progress=progress)
    return variant.child(module, Step("train", entry.train.config(), planned.seed))


def _from_parent(
    context: WorkerContext, compressor: Compressor, planned: PlannedVariant, scratch: Path, progress: Progress
) -> Variant:
    parent = context.variant(str(planned.parent))
    return compressor.compress(parent, context.splits.train, seed=planned.seed, checkpoint=scratch, progress=progress)


def _costs(context: WorkerContext, planned: PlannedVariant, variant: Variant, encoded_bytes: int) -> dict[str, Any]:
    """Its own counts, its file's size, and the bytes of the dense network that its lineage began with."""
    costs: dict[str, Any] = {**measure(variant, context.input_shape).record(), "encoded_bytes": encoded_bytes}
    if planned.parent is not None:
        costs["dense_bytes"] = (context.store.costs(context.root(planned)) or costs)["dense_bytes"]
    return costs


def _figures(variant: Variant) -> dict[str, Any]:
    """What each step logged, for a report, which does not open the file of a network."""
    return {
        "steps": [{"kind": step.kind, "seed": step.seed, "figures": dict(step.figures)} for step in variant.lineage]
    }
