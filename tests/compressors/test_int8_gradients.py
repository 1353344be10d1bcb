"""White-box attacks on int8 networks: the fake-quantised network keeps its straight-through gradient on the way."""

from __future__ import annotations

import warnings

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

import brinell
from brinell.attacks import FGSM, PGD, BrinellWarning
from brinell.compressors import Int8
from brinell.data import from_tensors
from brinell.models import MODELS
from brinell.variants import Variant

pytest.importorskip("onnxruntime")

SIDES = {"inception_v3": 96, "alexnet": 224}
"""Images of the smallest side that a network takes; 64 where it is one for ImageNet."""

TRIED = ("resnet8", "cifar_mobilenet")
"""The others compute with the same operations as these and `Operations`, and larger tensors (`make test-all`)."""


class Operations(nn.Module):
    """What other architectures compute with and those that are tried do not: convolutions with biases, of strides and
    of rectangular kernels, poolings of overlapping windows, rounded up or padded, and branches."""

    def __init__(self) -> None:
        super().__init__()
        self.strided = nn.Conv2d(3, 8, 3, stride=2)
        self.downsample = nn.Conv2d(8, 8, 1, stride=2, bias=False)
        self.padded = nn.Conv2d(8, 8, 5, stride=2, padding=2)
        self.rectangular = nn.Conv2d(8, 8, (1, 7), padding=(0, 3), bias=False)
        self.square = nn.Conv2d(8, 8, 3, padding=1)
        self.pointwise = nn.Conv2d(8, 8, 1)
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d((6, 6)), nn.MaxPool2d(3, stride=2, ceil_mode=True))
        self.classifier = nn.Linear(24 * 9, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(torch.relu(self.strided(F.max_pool2d(x, 2, stride=2))), 3, stride=2)
        x = F.max_pool2d(self.downsample(x), 3, stride=2, padding=1) + F.max_pool2d(self.padded(x), 3, 2, 1)
        branches = [self.rectangular(x), self.square(x), self.pointwise(F.avg_pool2d(x, 3, stride=1, padding=1))]
        return self.classifier(self.pool(torch.relu(torch.cat(branches, 1))).flatten(1))


class Recorder(TorchDispatchMode):
    """Collects the operations that are computed, each with what decides its rule in the graph."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: set[tuple[object, ...]] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        if name == "convolution":
            _, weight, bias, stride, padding, *_, groups = args
            rectangular = weight.shape[2] != weight.shape[3]
            self.operations.add((name, rectangular, bias is None, max(stride) > 1, any(padding), groups > 1))
        else:
            self.operations.add((name, repr(args[1:]) if "pool" in name else ""))
        return func(*args, **(kwargs or {}))


def operations(module: nn.Module, shape: tuple[int, int, int]) -> set[tuple[object, ...]]:
    with torch.no_grad(), Recorder() as recorder:
        module.eval()(torch.empty(2, *shape))
    return recorder.operations


def architecture(kind: str) -> tuple[nn.Module, tuple[int, int, int]]:
    model = brinell.models.build(kind, classes=10)
    channels, side, _ = model.architecture.input_shape
    side = SIDES.get(kind, min(side, 64))
    return model, (channels, side, side)


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


def test_a_module_of_all_operations() -> None:
    torch.manual_seed(0)
    check(*int8(Operations(), (3, 192, 192)))


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", [kind if kind in TRIED else pytest.param(kind, marks=pytest.mark.cross) for kind in MODELS]
)
def test_every_architecture(kind: str) -> None:
    torch.manual_seed(0)
    check(*int8(*architecture(kind)))


def test_those_tried_compute_with_every_operation() -> None:
    """A new architecture that computes with others belongs to `TRIED`."""
    with torch.device("meta"):
        known = operations(Operations(), (3, 192, 192)).union(*(operations(*architecture(kind)) for kind in TRIED))
        unknown = {kind: operations(*architecture(kind)) - known for kind in MODELS if "110" not in kind}
    assert not {kind: found for kind, found in unknown.items() if found}
