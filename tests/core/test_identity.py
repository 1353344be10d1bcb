"""Which fields decide a result, for every spec of the house: the table that keys and resume rest on."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import brinell
from brinell.core import NotInKey, Registry, Spec
from brinell.data import Cifar10

IDENTITY = {
    *("least_sparsity", "batch", "exact_weights"),
    *("epsilon", "steps", "step_size", "norm", "loss", "label", "restarts", "random_start"),
    *("binary_search_steps", "initial_const", "confidence", "abort_early", "candidates", "overshoot"),
    *("population", "mutation_rate", "mutation_range", "adaptive", "max_queries"),
    *(
        "targets",
        "samples",
        "schedule",
        "queries",
        "version",
        "bias",
        "backward",
        "levels",
        "last_gamma",
        "initial_norm",
    ),
    "logit_scaling",
    *("r", "changes", "distance", "initial_share", "max_candidates", "rest"),
    *("epochs", "batch_size", "learning_rate", "optimizer", "momentum", "nesterov", "weight_decay", "schedule"),
    *("augment", "label_smoothing", "gradient_clip", "precision", "holdout", "train", "early_stop"),
    *("student", "initialize", "temperature", "temperature_squared", "hard_label_weight"),
    *("granularity", "budget", "rates", "rounds", "weight_bits", "partition", "shares", "keep_zeros", "float_layers"),
    *("widths", "episodes", "random_episodes", "reward", "least"),
    *("hidden",),
    *("adversarial", "fraction", "weight", "epsilon_rule", "dropout", "distillation", "recalibration"),
    *("sparsity", "c", "gamma", "power", "stop", "phases"),
    *("conv_bits", "linear_bits", "sharing_epochs", "sharing_rate", "surgery_epochs", "surgery_rate", "levels"),
    *("classes", "in_channels", "size", "width", "mean", "std", "layers", "channel_order", "classifier_padding"),
    *("resize", "calibration_examples", "per_channel", "reduce_range"),
    *("weight_bases", "activation_bases", "scales", "calibration", "window", "input_scale", "gradient"),
    *("teacher_input", "student_weights", "multiplier", "activation", "padding", "batch_norm_epsilon"),
    *("crop", "interpolation", "channels", "test_share", "split_seed", "class_names", "subset", "image_column"),
    *("label_column", "images", "labels", "layout"),
    *("graph", "file", "module", "factory", "arguments", "weights", "pretrained"),
    *("examples", "shown", "attack", "batches", "runs", "corruptions", "severities"),
}
"""Fields that decide a result, and so enter the key. `batch_size` is `Train`'s: a step's gradient is its batch's."""

EXECUTION = {"root", "hub", "name", "csv", "on_error", "cache"}
"""Fields that change only speed or place (what a folder holds enters by its fingerprint), and so stay out."""

NAMES_DECIDE = ("timm", "torchvision")
"""Kinds whose `name` is no label: it decides what network there is."""

REQUIRED = {
    "size": 9,
    "shares": {"conv1": 0.5},
    "attack": "deepfool",
    "widths": [["conv1", 3, 8]],
    "epsilon": 0.1,
    "classes": 3,
    "in_channels": 3,
    "mean": (0.0, 0.0, 0.0),
    "std": (1.0, 1.0, 1.0),
    "graph": '{"nodes":[["mean.dim",[{"value":0},[2,3]],{}]],"tensors":{},"output":1,"input_shape":[3,9,9]}',
    "name": "resnet18",
    "file": Path(__file__),
    "layers": ["conv1", "conv2"],
    "weight_bases": 3,
    "activation_bases": 2,
    "scales": "filter",
}
"""A value for each field without a default."""


def rooms() -> Iterator[object]:
    for module in pkgutil.walk_packages(brinell.__path__, "brinell."):
        if not module.name.endswith("__main__"):
            yield importlib.import_module(module.name)


def offspring(parent: type[Spec]) -> Iterator[type[Spec]]:
    for child in parent.__subclasses__():
        yield child
        yield from offspring(child)


def specs() -> list[type[Spec]]:
    """All final specs but the container's codings: they describe streams that exist, nothing is made of their keys."""
    found = [*rooms()] and {kind for kind in offspring(Spec) if kind.__module__.startswith("brinell.")}
    final = {kind for kind in found if hasattr(kind, "kind") and not inspect.isabstract(kind)}
    ours = [kind for kind in final if not kind.__module__.startswith("brinell.container")]
    return sorted(ours, key=lambda kind: (kind.__module__, kind.kind))


SPECS = specs()
each = pytest.mark.parametrize("kind", SPECS, ids=lambda kind: kind.kind)


def example(kind: type[Spec]) -> Spec:
    needed = [name for name, field in kind.model_fields.items() if field.is_required()]
    return kind.parse({name: REQUIRED[name] for name in needed})


def execution(kind: type[Spec]) -> set[str]:
    return EXECUTION - {"name"} if kind.kind in NAMES_DECIDE else EXECUTION


def marked(kind: type[Spec]) -> set[str]:
    fields = kind.model_fields.items()
    return {name for name, field in fields if any(isinstance(mark, NotInKey) for mark in field.metadata)}


def test_every_family_is_looked_at() -> None:
    registries = {id(value): value for room in rooms() for value in vars(room).values() if isinstance(value, Registry)}
    members = {registry[kind] for registry in registries.values() for kind in registry}
    ours = {member for member in members if not member.__module__.startswith("brinell.container")}
    assert ours <= set(SPECS)
    assert len(ours) >= 10


@each
def test_every_field_is_classed(kind: type[Spec]) -> None:
    fields = set(kind.model_fields)
    unclassed = fields - IDENTITY - EXECUTION
    assert not unclassed, f"class {sorted(unclassed)} of {kind.kind} in IDENTITY or EXECUTION of this file"
    assert marked(kind) == fields & execution(kind)


def test_no_field_is_classed_twice_and_none_is_left_over() -> None:
    assert not IDENTITY & EXECUTION
    assert {name for kind in SPECS for name in kind.model_fields} == IDENTITY | EXECUTION


@each
def test_the_key_moves_with_identity_only(kind: type[Spec]) -> None:
    spec = example(kind)
    for name in kind.model_fields:
        changed = spec.model_copy(update={name: "something else"})
        assert (changed.key == spec.key) == (name in execution(kind)), name


@each
def test_the_revision_moves_the_key(kind: type[Spec], monkeypatch: pytest.MonkeyPatch) -> None:
    before = example(kind).key
    monkeypatch.setattr(kind, "revision", kind.revision + 1)
    assert example(kind).key != before


@each
def test_the_configuration_reads_back_from_json_and_yaml(kind: type[Spec]) -> None:
    spec = example(kind)
    for written in (json.loads(json.dumps(spec.config())), yaml.safe_load(yaml.safe_dump(spec.config()))):
        assert kind.parse(written) == spec
        assert kind.parse(written).key == spec.key


@each
def test_every_spec_is_a_documented_frozen_value(kind: type[Spec]) -> None:
    spec = example(kind)
    assert kind.__doc__
    assert kind.model_config["frozen"]
    assert hash(spec) == hash(example(kind))
    assert spec == example(kind)


def test_folders_read_back_and_stay_out_of_the_key(tmp_path: Path) -> None:
    source = Cifar10.parse({"root": str(tmp_path)})
    assert Cifar10.parse(json.loads(json.dumps(source.config()))) == source
    assert source.key == Cifar10().key
