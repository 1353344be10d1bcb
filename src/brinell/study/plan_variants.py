"""Which variants a study makes, from what, and under which keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from brinell.compressors import Compressor
from brinell.core import ConfigurationError, PlannedVariant, content_key
from brinell.data import Dataset
from brinell.models import Architecture
from brinell.study.config import CompressedVariant, ModelVariant
from brinell.study.config.lineage import baselines, parents_first
from brinell.study.networks import StudyNetwork, load_network, within_place
from brinell.study.splits import Splits
from brinell.study.study import Study


@dataclass(frozen=True)
class VariantPlan:
    """A planned variant, with what its children and its trials need to know of it."""

    record: PlannedVariant
    architecture: Architecture | None
    """`None` where only the code that built the network can build it again."""
    view: str
    """The gradient that white-box attacks look at."""
    has_surrogates: bool
    """Whether the gradient of sign may be another, where `view` is `straight_through`."""


def plan_variants(study: Study, splits: Splits) -> tuple[VariantPlan, ...]:
    """One variant for each name and seed, in the study's order; where no seed enters, one for all seeds."""
    untrained = {
        entry.model for entry in study.variants.values() if isinstance(entry, ModelVariant) and not entry.train
    }
    networks = {
        name: load_network(model, f"models.{name}", splits.test, trained=name not in untrained)
        for name, model in study.models.items()
    }
    made: dict[tuple[str, int], VariantPlan] = {}
    for name in parents_first(study.variants):
        entry = study.variants[name]
        if isinstance(entry, CompressedVariant):
            _check_becoming(name, entry, study, networks, splits)
        for seed in dict.fromkeys(study.seeds.variants):
            if isinstance(entry, ModelVariant):
                made[name, seed] = _of_model(name, entry, networks[entry.model], seed, splits)
            else:
                made[name, seed] = _of_parent(name, entry.compressor, made[entry.parent, seed], seed, splits)
    compared = baselines(study.variants)
    for (name, seed), variant in made.items():
        record = variant.record.model_copy(update={"baseline": made[compared[name], seed].record.key})
        made[name, seed] = replace(variant, record=record)
    ordered = [made[name, seed] for name in study.variants for seed in dict.fromkeys(study.seeds.variants)]
    unique: dict[str, VariantPlan] = {}
    for variant in ordered:
        other = unique.setdefault(variant.record.key, variant).record.name
        if other != variant.record.name:
            raise ConfigurationError(f"variants.{variant.record.name}: the same as variants.{other}; drop one of them")
    return tuple(unique.values())


def _of_model(name: str, entry: ModelVariant, network: StudyNetwork, seed: int, splits: Splits) -> VariantPlan:
    train = entry.train
    seed = 0 if train is None else seed  # weights as they are owe nothing to a seed
    key = content_key(
        "variant",
        **network.identity,
        train=None if train is None else train.identity(),
        data=None if train is None else _learnt_from(splits.train),
        input_shape=splits.test.input_shape,
        seed=seed,
    )
    record = PlannedVariant(
        name=name,
        key=key,
        seed=seed,
        parent=None,
        baseline=key,
        family="model" if train is None else "train",
        architecture=network.kind,
        settings={} if train is None else train.config(),
    )
    return VariantPlan(record, network.architecture, network.view, network.has_surrogates)


def _of_parent(name: str, compressor: Compressor, parent: VariantPlan, seed: int, splits: Splits) -> VariantPlan:
    with within_place(f"variants.{name}.compress."):
        architecture = compressor.architecture_from(parent.architecture)
    key = content_key(
        "variant",
        parent=parent.record.key,
        compress=(
            compressor.identity() if parent.architecture is None else compressor.identity_for(parent.architecture)
        ),
        data=_learnt_from(splits.train),
        seed=seed,
    )
    record = PlannedVariant(
        name=name,
        key=key,
        seed=seed,
        parent=parent.record.key,
        baseline=key,
        family=compressor.kind,
        architecture=parent.record.architecture if architecture in (None, parent.architecture) else architecture.kind,
        settings=compressor.config(),
    )
    return VariantPlan(record, architecture, compressor.view_from(parent.view), compressor.has_surrogates)


def _check_becoming(
    name: str, entry: CompressedVariant, study: Study, networks: Mapping[str, StudyNetwork], splits: Splits
) -> None:
    """Refuse at once what the compressor would refuse after the training of its parent.

    Only children of a model as it is built: what a compressor leaves of a network is known when it has run.
    """
    parent = study.variants[entry.parent]
    if isinstance(parent, CompressedVariant):
        return
    variant = networks[parent.model].variant(splits.test.input_shape, splits.test.classes)
    with within_place(f"variants.{name}.compress."):
        variant.trainable()
        entry.compressor.check(variant)


def _learnt_from(train: Dataset) -> list[Any]:
    return [train.fingerprint, train.split]
