"""What every compressor promises, whatever it does."""

from __future__ import annotations

import copy
import random
from pathlib import Path
from typing import Any

import pytest
import torch

import brinell
from brinell.compressors import COMPRESSORS, Compressor
from brinell.core import ConfigurationError, ModelError, StoreError
from brinell.data import Dataset
from brinell.models import ResNet8
from brinell.training import Train, accuracy, histories
from brinell.training import loop as loop_module
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


def equal(left: Variant, right: Variant) -> bool:
    return left.tensors.keys() == right.tensors.keys() and all(
        torch.equal(tensor, right.tensors[name]) for name, tensor in left.tensors.items()
    )


@pytest.fixture(params=list(COMPRESSORS))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=TRAINING)
def training(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_every_compressor_has_a_test_file(kind: str) -> None:
    assert (Path(__file__).parent / f"test_{kind}.py").is_file()


def test_settings_survive_a_file(kind: str) -> None:
    compressor = COMPRESSORS[kind]()
    assert COMPRESSORS.parse(compressor.config()) == compressor
    assert hash(COMPRESSORS.parse(compressor.config())) == hash(compressor)
    assert COMPRESSORS.parse(compressor.config()).key == compressor.key


def test_a_mapping_for_train_changes_the_compressors_own_defaults(training: str) -> None:
    default = COMPRESSORS[training]().train
    changed = COMPRESSORS.parse({"kind": training, "train": {"epochs": 77}}).train
    assert changed == default.model_copy(update={"epochs": 77})
    with pytest.raises(ConfigurationError, match=r"train\.epoch: unknown key"):
        COMPRESSORS.parse({"kind": training, "train": {"epoch": 77}})


def test_the_parent_stays_and_the_child_says_what_was_done(kind: str, baseline: Variant, sample: Dataset) -> None:
    before = copy.deepcopy(dict(baseline.tensors))
    compressor = quick(kind)
    child = compressor.compress(baseline, sample, seed=3)
    assert all(torch.equal(tensor, before[name]) for name, tensor in baseline.tensors.items())
    assert not equal(child, baseline)
    (step,) = child.lineage
    assert (step.kind, step.seed, step.settings) == (kind, 3, compressor.config())
    assert step.figures


def test_a_seed_decides_and_the_global_random_state_does_not(kind: str, baseline: Variant, sample: Dataset) -> None:
    torch.manual_seed(1)
    first = quick(kind).compress(baseline, sample, seed=0)
    torch.manual_seed(2)
    state = torch.get_rng_state()
    again = quick(kind).compress(baseline, sample, seed=0)
    assert torch.equal(torch.get_rng_state(), state)
    assert equal(first, again)
    assert not equal(first, quick(kind).compress(baseline, sample, seed=1))


def test_killed_at_random_moments(
    training: str, baseline: Variant, sample: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop_module, "_SAVE_WITHIN", 0.02)
    monkeypatch.setattr(loop_module, "_SAVE_AFTER", 0.0)

    class KilledError(Exception):
        pass

    compressor = quick(training, train=QUICK.model_copy(update={"epochs": 2, "holdout": 40}))
    undisturbed = compressor.compress(baseline, sample, seed=0)
    moments, kills = random.Random(training), 0  # noqa: S311
    while True:
        left = moments.randrange(2, 9)

        def kill(label: str, done: float, total: float) -> None:
            nonlocal left
            left -= 1
            if not left:
                raise KilledError

        try:
            resumed = compressor.compress(baseline, sample, seed=0, checkpoint=tmp_path, progress=kill)
            break
        except KilledError:
            kills += 1
            assert kills < 100
    assert kills >= 1
    assert equal(resumed, undisturbed)
    epochs = [epoch for history in histories(tmp_path) for epoch in history.epochs]
    assert epochs
    assert all(epoch.accuracy is not None for epoch in epochs)


def test_a_checkpoint_of_another_call_is_refused(
    training: str, baseline: Variant, sample: Dataset, tmp_path: Path
) -> None:
    quick(training).compress(baseline, sample, seed=0, checkpoint=tmp_path)
    other = QUICK.model_copy(update={"learning_rate": 0.5})
    with pytest.raises(StoreError, match="another run"):
        quick(training, train=other).compress(baseline, sample, seed=0, checkpoint=tmp_path)


def test_progress_rises_to_its_total(kind: str, baseline: Variant, sample: Dataset) -> None:
    calls: list[tuple[float, float]] = []
    quick(kind).compress(baseline, sample, seed=0, progress=lambda label, *call: calls.append(call))
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)
    assert len({total for _, total in calls}) == 1
    assert calls[-1][0] == calls[-1][1]


def test_data_of_another_kind_is_refused_before_training(kind: str, baseline: Variant, sample: Dataset) -> None:
    fewer = Dataset("other", "train", sample.images, sample.labels % 5, sample.ids, tuple("abcde"), "other")
    with pytest.raises(ModelError, match="has 10 classes; other has 5"):
        quick(kind).compress(baseline, fewer, seed=0)
    coloured = Dataset(
        "rgb", "train", sample.images.repeat(1, 3, 1, 1), sample.labels, sample.ids, sample.class_names, "rgb"
    )
    with pytest.raises(ModelError, match=r"takes images \(1, 8, 8\); rgb has \(3, 8, 8\)"):
        quick(kind).compress(baseline, coloured, seed=0)


def test_the_verb_takes_a_module_and_leaves_it(kind: str, sample: Dataset) -> None:
    module = ResNet8(width=4).module(seed=1).eval()
    before = copy.deepcopy(module.state_dict())
    variant = brinell.compress(module, quick(kind), train_data=sample)
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())
    assert variant.architecture == ResNet8(width=4)
    assert 0 <= accuracy(variant.deployed(), sample) <= 1
