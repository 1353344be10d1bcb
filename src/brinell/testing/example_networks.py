"""Small networks that members are tested on."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from brinell.data import Dataset, build
from brinell.models import ResNet8
from brinell.training import Train, fit
from brinell.variants import Variant


class ImageProblem(NamedTuple):
    """A network with four classes, colour images of 8 x 8 pixels that it classifies as labelled, and their ids."""

    network: nn.Module
    images: Tensor
    labels: Tensor
    ids: Tensor


def residual_network() -> nn.Module:
    """An untrained ResNet-8 for colour images, whose batch-norm statistics are those of random images.

    Returns:
        A module in evaluation mode for images `(3, H, W)` of four classes; the same at each call.

    Examples:
        >>> import torch
        >>> residual_network()(torch.zeros(1, 3, 8, 8)).shape
        torch.Size([1, 4])
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = ResNet8(in_channels=3, mean=(0.5,) * 3, std=(0.25,) * 3, classes=4).module(seed=0)
        model.train()
        for _ in range(5):
            model(torch.rand(64, 3, 8, 8))
    return model.eval()


def image_problem(examples: int = 24) -> ImageProblem:
    """`residual_network()` with random images.

    Args:
        examples: Number of images.

    Returns:
        Network, images `(N, 3, 8, 8)`, labels and ids.

    Examples:
        >>> image_problem(examples=2).images.shape
        torch.Size([2, 3, 8, 8])
    """
    network = residual_network()
    images = torch.rand(examples, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        labels = network(images).argmax(1)
    return ImageProblem(network, images, labels, torch.arange(examples) + 100)


class AlwaysClassZero(nn.Module):
    """Class 0 wins for every image, and the other logits have a gradient."""

    def forward(self, images: Tensor) -> Tensor:
        """Four logits."""
        rest = torch.tanh(images.flatten(1)[:, :3])
        return torch.cat([10 + 0 * rest[:, :1], rest], dim=1)


class FailsAtThirdCall(nn.Module):
    """Raises `RuntimeError` from its third call on, its copies' calls counted."""

    def __init__(self, inner: nn.Module, calls: list[int] | None = None) -> None:
        super().__init__()
        self.inner, self.calls = inner, [0] if calls is None else calls

    def __deepcopy__(self, memo: object) -> FailsAtThirdCall:
        return FailsAtThirdCall(self.inner, self.calls)

    def forward(self, images: Tensor) -> Tensor:
        """The logits of the inner network."""
        self.calls[0] += 1
        if self.calls[0] > 2:
            raise RuntimeError("on purpose")
        logits: Tensor = self.inner(images)
        return logits


def digits_variant(examples: int = 300) -> tuple[Variant, Dataset]:
    """A ResNet-8 of width 4 trained for ten epochs on scikit-learn's digits, and the examples it was trained on.

    Args:
        examples: Number of digits.

    Returns:
        The variant and its training data.

    Examples:
        >>> variant, data = digits_variant(examples=60)
        >>> variant.input_shape, len(data)
        ((1, 8, 8), 60)
    """
    data = build("digits", examples=examples)
    module = ResNet8(width=4).module(seed=0)
    fit(module, data, Train(epochs=10, batch_size=32, learning_rate=0.1, schedule="one_cycle"), seed=0)
    return Variant.of(module, input_shape=data.input_shape, classes=data.classes), data
