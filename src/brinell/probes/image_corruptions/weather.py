"""Snow, frost, fog and brightness."""

from __future__ import annotations

import torch
from torch import Tensor

from brinell.probes.image_corruptions.random_numbers import RandomNumbers
from brinell.probes.image_corruptions.resampling import enlarge, plasma, smear

_LUMA = torch.tensor((0.299, 0.587, 0.114))
_ICE = torch.tensor((0.86, 0.94, 1.0))
"""Colour of frost: white with a little blue."""
_FROST_DECAY = 1.3
"""Of frost's roughness from level to level: less than fog's, since crystals are fine."""


def snow(images: Tensor, setting: tuple[float, ...], numbers: RandomNumbers) -> Tensor:
    """Whitens the image and lets flakes fall, which are smeared and added twice, once turned by 180 degrees."""
    mean, deviation, size, threshold, radius, sigma, kept = setting
    flakes = mean + deviation * numbers.gaussian((1, *images.shape[-2:]), 0)
    flakes = enlarge(flakes, size)
    flakes = torch.where(flakes < threshold, 0.0, flakes).clamp(0, 1)
    flakes = smear(flakes, int(radius), sigma, numbers.radians(-135, -45))
    whitened = torch.maximum(images, grey(images) * 1.5 + 0.5)
    return kept * images + (1 - kept) * whitened + flakes + flakes.rot90(2, (-2, -1))


def frost(images: Tensor, setting: tuple[float, float], numbers: RandomNumbers) -> Tensor:
    """Adds ice to the dimmed image.

    The published sets add one of five photographs of frosted glass, which are not part of this package. Here the ice is
    computed: ridges of a random height map, so that accuracies are not comparable with published ones.
    """
    kept, added = setting
    heights = height_map(images, _FROST_DECAY, numbers)
    ridges = (1 - (2 * heights - 1).abs())[:, None]
    colour = _ICE if images.shape[1] == 3 else _ICE.mean().expand(images.shape[1])
    return kept * images + added * ridges * colour[:, None, None]


def fog(images: Tensor, setting: tuple[float, float], numbers: RandomNumbers) -> Tensor:
    """Adds a random height map, and dims the sum so that the brightest value stays what it was."""
    thickness, decay = setting
    brightest = images.amax((1, 2, 3), keepdim=True)
    heights = height_map(images, decay, numbers)[:, None]
    return (images + thickness * heights) * brightest / (brightest + thickness)


def brightness(images: Tensor, added: float, numbers: RandomNumbers) -> Tensor:
    """Raises the value (of hue, saturation and value, which is the largest channel) and keeps hue and saturation."""
    value = images.amax(1, keepdim=True)
    raised = (value + added).clamp(0, 1)
    return torch.where(value > 0, images * raised / value.clamp_min(1e-12), raised)


def grey(images: Tensor) -> Tensor:
    """Luma of `(N, 3, H, W)` (ITU-R BT.601), the mean of the channels of others: `(N, 1, H, W)`."""
    if images.shape[1] != 3:
        return images.mean(1, keepdim=True)
    return (images * _LUMA[:, None, None]).sum(1, keepdim=True)


def height_map(images: Tensor, decay: float, numbers: RandomNumbers) -> Tensor:
    """A random map in [0, 1] for each image, `(N, H, W)`."""
    height, width = images.shape[-2:]
    levels = max(1, (max(height, width) - 1).bit_length())
    drawn = []
    for level in range(levels):
        drawn.append(numbers.uniform((2**level, 2**level), level, 0, low=-1.0))
        drawn.append(numbers.uniform((2, 2**level, 2**level), level, 1, low=-1.0))
    return plasma(drawn, decay)[:, :height, :width]
