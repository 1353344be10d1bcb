"""White-box attacks on int8 networks: the fake-quantised network keeps its straight-through gradient on the way."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import nn

import brinell
from brinell.attacks import FGSM, PGD, BrinellWarning
from brinell.compressors import Int8
from brinell.data import from_tensors
from brinell.models import MODELS
from brinell.variants import Variant

pytest.importorskip("onnxruntime")

SIDES = {"inception_v3": 96, "alexnet": 224}
"""Images of the smallest side that a network takes; 64 where it is one for ImageNet."""

DEEPER = ("resnet20", "resnet32", "resnet44", "resnet56", "resnet110")
"""Networks that differ from ResNet-8 in the number of equal blocks alone."""


def sequential() -> nn.Module:
    layers = (nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(72, 10))
    return nn.Sequential(*layers)


def linear() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))


def int8(module: nn.Module, shape: tuple[int, int, int]) -> tuple[Variant, torch.Tensor]:
    """The quantised network of a module with random weights, and the images it was calibrated on."""
    images = torch.rand(6, *shape, generator=torch.Generator().manual_seed(0))
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = 1.0
    with torch.no_grad():
        module.train()(images)  # statistics of these images: without them, maps grow from layer to layer
    data = from_tensors(images, torch.arange(6), [str(label) for label in range(10)])
    # 7 bits: the kernels of an older processor saturate with 8, which its fake-quantised network does not.
    return brinell.compress(module.eval(), Int8(calibration_examples=4, reduce_range=True), train_data=data), images


def check(variant: Variant, images: torch.Tensor) -> None:
    """Ties count against a network, and with random weights a flipped rounding leads far: none of these is trained."""
    with torch.no_grad():
        labels = variant(images).argmax(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BrinellWarning)
        once = brinell.attack(variant, images, labels, FGSM(epsilon=8 / 255, loss="margin"))
        many = brinell.attack(variant, images, labels, PGD(epsilon=16 / 255, steps=3, loss="margin"))
    assert once.clean_accuracy > 0.5
    assert once.zero_gradients.sum() <= 2
    assert many.robust_accuracy < many.clean_accuracy


@pytest.mark.parametrize("build", [sequential, linear])
def test_plain_modules(build) -> None:
    torch.manual_seed(0)
    check(*int8(build(), (1, 8, 8)))


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=pytest.mark.cross) if kind in DEEPER else kind for kind in MODELS]
)
def test_every_architecture(kind: str) -> None:
    torch.manual_seed(0)
    model = brinell.models.build(kind, classes=10)
    channels, side, _ = model.architecture.input_shape
    side = SIDES.get(kind, min(side, 64))
    check(*int8(model, (channels, side, side)))
