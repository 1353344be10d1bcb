"""White-box attacks on int8 networks: the fake-quantised network keeps its straight-through gradient on the way."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import brinell
from brinell.attacks import FGSM, PGD
from brinell.compressors import Int8
from brinell.core import Registry
from brinell.data import from_tensors
from brinell.models import MODELS
from brinell.variants import Variant

pytest.importorskip("onnxruntime")

SIDES = {"inception_v3": 96}
"""Images of the smallest side that a network takes; 64 where it is one for ImageNet."""


def sequential() -> nn.Module:
    layers = (nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(72, 10))
    return nn.Sequential(*layers)


def linear() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))


def int8(module: nn.Module, shape: tuple[int, int, int]) -> tuple[Variant, torch.Tensor]:
    """The quantised network of a module with random weights, and the images it was calibrated on."""
    images = torch.rand(12, *shape, generator=torch.Generator().manual_seed(0))
    data = from_tensors(images, torch.arange(12) % 10, [str(label) for label in range(10)])
    # 7 bits: the kernels of an older processor saturate with 8, which its fake-quantised network does not.
    return brinell.compress(module.eval(), Int8(calibration_examples=8, reduce_range=True), train_data=data), images


def check(variant: Variant, images: torch.Tensor) -> None:
    with torch.no_grad():
        labels = variant(images).argmax(1)
    once = brinell.attack(variant, images, labels, FGSM(epsilon=8 / 255))
    assert once.clean_accuracy == 1
    assert not once.zero_gradients.any()
    assert once.computation.zero_gradients == 0
    many = brinell.attack(variant, images, labels, PGD(epsilon=16 / 255, steps=5, loss="margin"))
    assert many.robust_accuracy < 1
    assert not many.warnings


@pytest.mark.parametrize("build", [sequential, linear])
def test_plain_modules(build) -> None:
    torch.manual_seed(0)
    check(*int8(build(), (1, 8, 8)))


def _kinds(models: Registry) -> list[str]:
    return list(models)


@pytest.mark.slow
@pytest.mark.parametrize("kind", _kinds(MODELS))
def test_every_architecture(kind: str) -> None:
    torch.manual_seed(0)
    model = brinell.models.build(kind, classes=10)
    channels, side, _ = model.architecture.input_shape
    side = SIDES.get(kind, min(side, 64))
    check(*int8(model, (channels, side, side)))
