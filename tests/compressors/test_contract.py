"""What every compressor promises, whatever it does: the rules of `brinell.testing`."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import brinell
from brinell.compressors import COMPRESSORS, Compressor
from brinell.core import ModelError, StoreError
from brinell.data import Dataset
from brinell.models import ResNet8
from brinell.testing import COMPRESSOR_RULES, Rule
from brinell.testing.compressor_rules import another_seed_gives_other_tensors, resumes_after_interruptions
from brinell.training import Train, histories
from brinell.variants import Variant

QUICK = Train(epochs=1, batch_size=20, learning_rate=0.01)


TRAINING = [kind for kind in COMPRESSORS if "train" in COMPRESSORS[kind].model_fields]
FEW: dict[str, Any] = {"calibration_examples": 20}
"""Settings of those that do not train, of which another seed shows something."""


SHORT: dict[str, dict[str, Any]] = {
    "distill": {"initialize": "teacher"},
    "abc_net": {"weight_bases": 3, "activation_bases": 3},
    "dns": {"sparsity": 0.3},
    "deep_compression": {"budget": {"sparsity": 0.3}},
    "robust_compression": {"surgery_epochs": 1, "shares": (0.5, 1), "sparsity": 0.3},
}
"""What they leave out or take mildly, so that one epoch is enough for a network that agrees with the one before."""


def quick(kind: str, **fields: Any) -> Compressor:
    given = {"train": QUICK} if kind in TRAINING else FEW
    return COMPRESSORS.parse({"kind": kind, **given, **SHORT.get(kind, {}), **fields})


@pytest.fixture(params=list(COMPRESSORS))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=TRAINING)
def training(request: pytest.FixtureRequest) -> str:
    return str(request.param)


TESTED_BELOW = (resumes_after_interruptions, another_seed_gives_other_tensors)


def rules() -> Iterator[object]:
    for kind in COMPRESSORS:
        for rule in COMPRESSOR_RULES:
            if rule.check not in TESTED_BELOW and rule.applies(quick(kind)):
                yield pytest.param(kind, rule, id=f"{kind}-{rule.name}")


@pytest.mark.parametrize(("kind", "rule"), list(rules()))
def test_the_rule_holds(kind: str, rule: Rule[Compressor], baseline: Variant, sample: Dataset) -> None:
    rule.check(quick(kind), baseline, sample)


def test_default_settings_survive_a_file(kind: str) -> None:
    compressor = COMPRESSORS[kind]()
    assert COMPRESSORS.parse(compressor.config()) == compressor


def test_another_seed_gives_other_tensors(kind: str, baseline: Variant, sample: Dataset) -> None:
    another_seed_gives_other_tensors(quick(kind), baseline, sample)


def test_killed_at_random_moments(training: str, baseline: Variant, sample: Dataset, tmp_path: Path) -> None:
    compressor = quick(training, train=QUICK.model_copy(update={"epochs": 2, "holdout": 40}))
    moments = random.Random(training)  # noqa: S311
    resumes_after_interruptions(compressor, baseline, sample, tuple(moments.randrange(2, 9) for _ in range(6)))
    compressor.compress(baseline, sample, seed=0, checkpoint=tmp_path)
    epochs = [epoch for history in histories(tmp_path) for epoch in history.epochs]
    assert epochs
    assert all(epoch.accuracy is not None for epoch in epochs)


def test_the_error_about_another_checkpoint_says_so(
    training: str, baseline: Variant, sample: Dataset, tmp_path: Path
) -> None:
    quick(training).compress(baseline, sample, seed=0, checkpoint=tmp_path)
    other = QUICK.model_copy(update={"learning_rate": 0.5})
    with pytest.raises(StoreError, match="another run"):
        quick(training, train=other).compress(baseline, sample, seed=0, checkpoint=tmp_path)


def test_errors_about_data_name_both_shapes(kind: str, baseline: Variant, sample: Dataset) -> None:
    fewer = Dataset("other", "train", sample.images, sample.labels % 5, sample.ids, tuple("abcde"), "other")
    with pytest.raises(ModelError, match="has 10 classes; other has 5"):
        quick(kind).compress(baseline, fewer, seed=0)
    coloured = Dataset(
        "rgb", "train", sample.images.repeat(1, 3, 1, 1), sample.labels, sample.ids, sample.class_names, "rgb"
    )
    with pytest.raises(ModelError, match=r"takes images \(1, 8, 8\); rgb has \(3, 8, 8\)"):
        quick(kind).compress(baseline, coloured, seed=0)


def test_the_function_takes_a_module_of_a_known_architecture(kind: str, sample: Dataset) -> None:
    variant = brinell.compress(ResNet8(width=4).module(seed=1).eval(), quick(kind), train_data=sample)
    assert variant.architecture == ResNet8(width=4)
