"""What an entry of the zoo is, and the small network that most of them vary."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CLASSES = 10
INPUT_SHAPE = (1, 8, 8)


@dataclass(frozen=True)
class OddNetwork:
    """A network by name; `build` draws its weights from the global generator, which `make` seeds.

    `refused` is a pattern of the error's message where the network is no classifier of images to finite logits, so that
    nothing but an error is right. `gradient` is whether a gradient by the images exists. `random` networks give other
    logits at every call; `coarse` ones compute in a type of 16 bits, at least in part. `dtype` is of the images they
    take.
    """

    name: str
    build: Callable[[], nn.Module]
    refused: str | None = None
    gradient: bool = True
    random: bool = False
    coarse: bool = False
    dtype: torch.dtype = torch.float32

    def make(self) -> tuple[nn.Module, tuple[int, int, int], int]:
        """The module, the shape of one image, and the number of classes."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(zlib.crc32(self.name.encode()))
            return self.build(), INPUT_SHAPE, CLASSES


def images_for(odd: OddNetwork, count: int = 6) -> Tensor:
    """Images `(count, 1, 8, 8)` in [0.1, 0.9], of the type that the network takes."""
    generator = torch.Generator().manual_seed(1)
    return (0.1 + 0.8 * torch.rand(count, *INPUT_SHAPE, generator=generator)).to(odd.dtype)


def evaluated(module: nn.Module) -> nn.Module:
    """`module` in evaluation mode; what `torch.export` made knows no other and raises where it is asked."""
    with suppress(NotImplementedError):
        module.eval()
    return module


def input_gradient(module: nn.Module, images: Tensor) -> tuple[Tensor, Tensor | None]:
    """Logits, and the gradient of the first class's by the images, which are copied; `None` where there is none."""
    images = images.clone().requires_grad_()
    for parameter in module.parameters():
        parameter.requires_grad = False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about operations that have no gradient
        logits = module(images.clone())
        try:
            return logits.detach(), torch.autograd.grad(logits[:, 0].sum(), images)[0]
        except RuntimeError:
            return logits.detach(), None


class Small(nn.Module):
    """Two convolutions with batch norms, whose statistics are not the initial ones, and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 6, 3, padding=1)
        self.first_norm = settled(nn.BatchNorm2d(6))
        self.second = nn.Conv2d(6, 8, 3, padding=1)
        self.second_norm = settled(nn.BatchNorm2d(8))
        self.classifier = nn.Linear(8 * 4, CLASSES)

    def features(self, x: Tensor) -> Tensor:
        """Maps `(N, 8, 2, 2)`."""
        x = F.max_pool2d(F.relu(self.first_norm(self.first(x))), 2)
        return F.max_pool2d(F.relu(self.second_norm(self.second(x))), 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).flatten(1))


def settled(norm: nn.Module) -> nn.Module:
    """The same batch norm with statistics and an affine map such as training leaves."""
    if norm.running_mean is not None:
        norm.running_mean.uniform_(-0.3, 0.3)
        norm.running_var.uniform_(0.05, 0.5)
    if norm.weight is not None:
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.uniform_(norm.bias, -0.3, 0.3)
    return norm


def sequential(*middle: nn.Module, channels: int = 6) -> nn.Sequential:
    """Layers from `channels` maps of 8 x 8 to as many, between a first convolution and a classifier."""
    first = (nn.Conv2d(1, channels, 3, padding=1), nn.ReLU())
    return nn.Sequential(
        *first, *middle, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * channels, CLASSES)
    ).eval()
