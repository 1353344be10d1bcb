"""Recognise by its accuracy a network that expects other inputs than images in [0, 1]."""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor, nn

from brinell.models.normalized import IMAGENET_MEAN, IMAGENET_STD

_USUAL: Final = {
    "ImageNet's": (IMAGENET_MEAN, IMAGENET_STD),
    "CIFAR-10's": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    "those of inputs from -1 to 1": ((0.5,) * 3, (0.5,) * 3),
    "those of bytes": ((0.0,) * 3, (1 / 255,) * 3),
    "those of bytes less ImageNet's mean": ((123 / 255, 117 / 255, 104 / 255), (1 / 255,) * 3),
}
"""Means and deviations that networks are trained with; MNIST's and other grey ones are averages of these."""

_GAIN: Final = 0.1
"""Of accuracy, at least."""
_SIGNIFICANT: Final = 3.0
"""Standard errors, at least."""
_AT_ONCE: Final = 50
_SCREENED: Final = 100
"""Images on which all normalisations are tried; on the others the best of them is."""


def suggest_normalization(module: nn.Module, images: Tensor, labels: Tensor) -> str | None:
    """What to set, where the network is much more accurate on images that are normalised first; else `None`.

    Args:
        module: in evaluation mode.
        images: `(N, C, H, W)` floats in [0, 1]; 200 are enough.
        labels: `(N,)` whole numbers.

    Returns:
        A sentence with both accuracies, and the `mean` and `std` to set.

    Examples:
        >>> import brinell
        >>> images, labels = brinell.data.build("digits", "test", 50).tensors()
        >>> suggest_normalization(brinell.models.build("resnet8"), images, labels) is None  # untrained: nothing helps
        True
    """
    found = _compare(module, images, labels)
    if found is None:
        return None
    name, as_is, best = found
    mean, std = (_fitting(values, images.shape[1]) for values in _USUAL[name])
    shown = [f"[{', '.join(f'{value:.4g}' for value in values)}]" for values in (mean, std)]
    return (
        f"the network classifies {as_is:.1%} of {len(labels)} images as they are, in [0, 1], and {best:.1%} of "
        f"them normalised: set mean: {shown[0]} and std: {shown[1]} ({name})"
    )


def best_normalization(
    module: nn.Module, images: Tensor, labels: Tensor
) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """The mean and the deviation that `suggest_normalization` says to set; `None` where nothing is clearly better.

    Args:
        module: in evaluation mode.
        images: `(N, C, H, W)` floats in [0, 1]; 200 are enough.
        labels: `(N,)` whole numbers.

    Returns:
        Mean and standard deviation, a number a channel.

    Examples:
        >>> import brinell
        >>> images, labels = brinell.data.build("digits", "test", 50).tensors()
        >>> best_normalization(brinell.models.build("resnet8"), images, labels) is None  # untrained: nothing helps
        True
    """
    found = _compare(module, images, labels)
    if found is None:
        return None
    mean, std = _USUAL[found[0]]
    return _fitting(mean, images.shape[1]), _fitting(std, images.shape[1])


def _compare(module: nn.Module, images: Tensor, labels: Tensor) -> tuple[str, float, float] | None:
    """The normalisation that is clearly better than none, the accuracy as it is, and the better one."""
    as_is = _accuracy(module, images, labels)
    if as_is > 1 - _GAIN:
        return None
    few, few_labels = images[:_SCREENED], labels[:_SCREENED]
    found = {name: _accuracy(module, _normalized(few, *values), few_labels) for name, values in _USUAL.items()}
    name = max(found, key=lambda name: found[name])
    best, count = _accuracy(module, _normalized(images, *_USUAL[name]), labels), len(labels)
    error = math.sqrt(max(as_is * (1 - as_is) + best * (1 - best), 1 / count) / count)
    return None if best - as_is < max(_GAIN, _SIGNIFICANT * error) else (name, as_is, best)


def _fitting(values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    return values if len(values) == channels else (sum(values) / len(values),) * channels


def _normalized(images: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    shift, scale = (
        torch.tensor(_fitting(values, images.shape[1]), device=images.device).view(-1, 1, 1) for values in (mean, std)
    )
    return (images - shift) / scale


def _accuracy(module: nn.Module, images: Tensor, labels: Tensor) -> float:
    with torch.inference_mode():
        predictions = torch.cat([module(part).argmax(1) for part in images.split(_AT_ONCE)])
    return float((predictions == labels).double().mean())
