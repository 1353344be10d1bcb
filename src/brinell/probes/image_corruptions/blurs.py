"""Defocus, glass, motion and zoom blur."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from brinell.probes.image_corruptions.random_numbers import RandomNumbers
from brinell.probes.image_corruptions.resampling import enlarge, smear, smooth


def defocus_blur(images: Tensor, setting: tuple[float, float], numbers: RandomNumbers) -> Tensor:
    """Averages over a disk of a radius, whose edge is softened with a standard deviation."""
    kernel = soft_disk(*setting)
    return torch.from_numpy(ndimage.correlate(images.numpy(), kernel[None, None], mode="mirror"))


def soft_disk(radius: float, softness: float) -> NDArray[np.float64]:
    """The kernel of defocus blur, without the zeros round it; it sums to 1."""
    reach, half = (8, 1) if radius <= 8 else (int(radius), 2)
    axis = np.arange(-reach, reach + 1)
    disk = (axis[:, None] ** 2 + axis**2 <= radius**2).astype(np.float64)
    profile = np.exp(-(np.arange(-half, half + 1) ** 2) / (2 * softness**2))
    profile /= profile.sum()
    for dimension in (0, 1):
        disk = ndimage.correlate1d(disk, profile, axis=dimension, mode="mirror")
    used = int(np.abs(axis[(disk > 0).any(0)]).max())
    inner = disk[reach - used : reach + used + 1, reach - used : reach + used + 1]
    kernel: NDArray[np.float64] = inner / inner.sum()
    return kernel


def glass_blur(images: Tensor, setting: tuple[float, int, int], numbers: RandomNumbers) -> Tensor:
    """Blurs, replaces pixels by random ones nearby, and blurs again.

    The published sets replace a pixel by its neighbour and leave the neighbour as it was, where the text of the paper
    exchanges them; so does this.
    """
    sigma, reach, passes = setting
    count, channels, height, width = images.shape
    sources = torch.arange(height * width).repeat(count, 1)
    examples = torch.arange(count)
    for turn in range(passes):
        drawn = numbers.uniform((2, height, width), turn, low=-reach, high=reach).floor().long()
        places = torch.arange(height)[:, None] * width + torch.arange(width)
        nearby = places + drawn[:, 0] * width + drawn[:, 1]
        for row in range(height - reach, reach, -1):
            for column in range(width - reach, reach, -1):
                sources[:, row * width + column] = sources[examples, nearby[:, row, column]]
    blurred = smooth(images, sigma).flatten(2)
    moved = blurred.gather(2, sources[:, None].expand(-1, channels, -1)).reshape(images.shape)
    return smooth(moved, sigma)


def motion_blur(images: Tensor, setting: tuple[int, float], numbers: RandomNumbers) -> Tensor:
    """Smears each image in a direction between -45 and 45 degrees."""
    return smear(images, *setting, numbers.radians(-45, 45))


def zoom_blur(images: Tensor, setting: tuple[float, float], numbers: RandomNumbers) -> Tensor:
    """Averages the image and its enlargements, in steps up to a factor."""
    factors = np.arange(1, *setting)
    total = images.clone()
    for factor in factors:
        total += enlarge(images, float(factor))
    return total / (len(factors) + 1)
