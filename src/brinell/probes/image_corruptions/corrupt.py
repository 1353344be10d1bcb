"""Corrupt images: which corruptions exist, and with which settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal

import torch
from torch import Tensor

from brinell.core import ConfigurationError, choices
from brinell.probes.image_corruptions import blurs, digital, noises, weather
from brinell.probes.image_corruptions.random_numbers import RandomNumbers
from brinell.probes.image_corruptions.severities import CIFAR10_C, IMAGENET_C

_LARGEST_SMALL: Final = 64
"""Pixels of the longer side up to which images take the settings of CIFAR-10-C."""

_FUNCTIONS: Final[tuple[Callable[[Tensor, Any, RandomNumbers], Tensor], ...]] = (
    noises.gaussian_noise,
    noises.shot_noise,
    noises.impulse_noise,
    blurs.defocus_blur,
    blurs.glass_blur,
    blurs.motion_blur,
    blurs.zoom_blur,
    weather.snow,
    weather.frost,
    weather.fog,
    weather.brightness,
    digital.contrast,
    digital.elastic_transform,
    digital.pixelate,
    digital.jpeg_compression,
)
CORRUPTIONS: Final = {function.__name__: function for function in _FUNCTIONS}
"""What computes each corruption, in the order of the paper."""


def severity_set(images: Tensor) -> Literal["CIFAR-10-C", "ImageNet-C"]:
    """Whose settings images of this size take: those of CIFAR-10-C up to 64 pixels, those of ImageNet-C above.

    Args:
        images: `(N, C, H, W)`.

    Returns:
        The name of one of the two sets.

    Examples:
        >>> import torch
        >>> severity_set(torch.zeros(1, 3, 32, 32)), severity_set(torch.zeros(1, 3, 224, 224))
        ('CIFAR-10-C', 'ImageNet-C')
    """
    return "CIFAR-10-C" if max(images.shape[-2:]) <= _LARGEST_SMALL else "ImageNet-C"


def corrupt(images: Tensor, corruption: str, severity: int, ids: Tensor, *, seed: int = 0) -> Tensor:
    """Corrupted copies of images.

    Args:
        images: Float `(N, C, H, W)` in [0, 1].
        corruption: A name of `CORRUPTIONS`.
        severity: 1 to 5.
        ids: Integers `(N,)`; the randomness of an image depends on its id, the corruption and the seed only.
        seed: Seed of the randomness.

    Returns:
        Float32 `(N, C, H, W)` in [0, 1], rounded to multiples of 1/255, as the published images are.

    Raises:
        ConfigurationError: Unknown corruption or severity.

    Examples:
        >>> import torch
        >>> from brinell.probes.image_corruptions import corrupt
        >>> corrupt(torch.full((1, 1, 2, 2), 0.2), "brightness", 5, torch.tensor([0]))[0, 0, 0, 0]
        tensor(0.5020)
    """
    if corruption not in CORRUPTIONS:
        raise ConfigurationError(f"there is no corruption {corruption!r}; {choices(corruption, list(CORRUPTIONS))}")
    if severity not in range(1, 6):
        raise ConfigurationError(f"severity is {severity!r}; accepted: 1 to 5")
    settings = CIFAR10_C if severity_set(images) == "CIFAR-10-C" else IMAGENET_C
    numbers = RandomNumbers(seed, corruption, ids)
    with torch.inference_mode():
        found = CORRUPTIONS[corruption](
            images.detach().float().contiguous(), settings[corruption][severity - 1], numbers
        )
    return (found.clamp(0, 1) * 255).round() / 255
