"""Learning from the network as it was: what must not move, what must be the same, and who has no teacher."""

from __future__ import annotations

import pytest
import torch
import yaml
from torch import Tensor, nn

from brinell.compressors import Distill, FineTune, XNORNet
from brinell.core import ConfigurationError
from brinell.data import Dataset, build
from brinell.models import ResNet8
from brinell.study import Study
from brinell.training import Adversarial, Batch, Distillation, Train, divergence, fit
from brinell.variants import Variant
from study.conftest import TINY
from training.test_fit import blobs, linear


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return build("digits", split="train", examples=200, seed=0)


def without_batch_norm() -> Variant:
    module = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 10))
    return Variant.of(module, input_shape=(1, 8, 8), classes=10)


@pytest.mark.parametrize("adversarial", [None, Adversarial(epsilon=0.0)])
def test_who_answers_as_its_teacher_has_nothing_to_learn(digits: Dataset, adversarial: Adversarial | None) -> None:
    variant = without_batch_norm()
    shared = {"epochs": 2, "batch_size": 50, "weight_decay": 0.0, "adversarial": adversarial}
    taught = Train(distillation=Distillation(hard_label_weight=0), **shared)
    kept = FineTune(train=taught).compress(variant, digits, seed=0)
    for name, tensor in variant.tensors.items():
        torch.testing.assert_close(kept.tensors[name], tensor, atol=1e-5, rtol=0)
    moved = FineTune(train=Train(**shared)).compress(variant, digits, seed=0)
    assert not torch.allclose(moved.tensors["3.weight"], variant.tensors["3.weight"], atol=1e-3)


def test_on_labels_alone_it_is_plain_training(digits: Dataset) -> None:
    variant = Variant.of(ResNet8(width=2).module(0), input_shape=(1, 8, 8), classes=10)
    train = Train(epochs=1, batch_size=50, learning_rate=0.01)
    plain = XNORNet(train=train).compress(variant, digits, seed=0)
    only_labels = train.model_copy(update={"distillation": Distillation(hard_label_weight=1)})
    taught = XNORNet(train=only_labels).compress(variant, digits, seed=0)
    assert all(torch.equal(tensor, taught.tensors[name]) for name, tensor in plain.tensors.items())
    learnt = XNORNet(train=train.model_copy(update={"distillation": Distillation()})).compress(variant, digits, seed=0)
    assert not all(torch.equal(tensor, learnt.tensors[name]) for name, tensor in plain.tensors.items())


def test_the_teacher_answers_to_the_clean_image() -> None:
    student, teacher = nn.Linear(4, 3), nn.Linear(4, 3)
    shown, clean = torch.rand(5, 4), torch.rand(5, 4)
    batch = Batch(shown, torch.arange(5) % 3, torch.arange(5), 0, 0, clean)
    rule = Distillation(temperature=2, hard_label_weight=0)
    expected = 4 * divergence(student(shown), teacher(clean), 2)
    torch.testing.assert_close(rule.loss(teacher)(student, batch), expected)


def test_who_has_no_teacher_is_told_so_before_anything_is_trained() -> None:
    with pytest.raises(ConfigurationError, match="there is no teacher here"):
        fit(linear(), blobs(), Train(distillation=Distillation()), seed=0)
    with pytest.raises(ConfigurationError, match=r"train\.distillation is for other compressors"):
        Distill.parse({"train": {"distillation": {}}})
    config = yaml.safe_load(TINY)
    config["variants"]["base"]["train"]["distillation"] = {}
    with pytest.raises(ConfigurationError, match=r"variants\.base\.train\.distillation: a model has no teacher"):
        Study.parse(config)


def test_networks_that_write_to_their_images_see_the_same_ones() -> None:
    class InPlace(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.mul_(2).flatten(1)[:, :3]

    images = torch.rand(4, 1, 2, 2)
    batch = Batch(images.clone(), torch.zeros(4, dtype=torch.int64), torch.arange(4), 0, 0)
    loss = Distillation(hard_label_weight=0).loss(InPlace())
    assert float(loss(InPlace(), batch)) == pytest.approx(0.0, abs=1e-6)  # the same network answers the same
