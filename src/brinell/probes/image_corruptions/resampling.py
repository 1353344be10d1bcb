"""Smoothing, enlarging and shifting of batches, shared by several corruptions."""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor


def smooth(images: Tensor, sigma: float, *, mode: str = "nearest", truncate: float = 4.0) -> Tensor:
    """Gaussian blur of `(..., H, W)`; `mode` is what SciPy's `gaussian_filter1d` does at the borders.

    The blur is linear, so that it is one matrix an axis: wide kernels cost no more than narrow ones.
    """
    rows, columns = (_smoothing(side, sigma, mode, truncate) for side in images.shape[-2:])
    return rows @ images @ columns.T


def _smoothing(side: int, sigma: float, mode: str, truncate: float) -> Tensor:
    found = ndimage.gaussian_filter1d(np.eye(side), sigma, axis=0, mode=mode, truncate=truncate)
    return torch.from_numpy(found).float()


def enlarge(images: Tensor, factor: float) -> Tensor:
    """The middle of `(..., H, W)`, enlarged to its whole size with linear interpolation, one matrix an axis."""
    rows, columns = (_enlarging(side, factor) for side in images.shape[-2:])
    return rows @ images @ columns.T


def _enlarging(side: int, factor: float) -> Tensor:
    kept = math.ceil(side / factor)
    before = (side - kept) // 2
    large = ndimage.zoom(np.eye(kept), (factor, 1), order=1)
    cut = (len(large) - side) // 2
    return torch.from_numpy(np.pad(large[cut : cut + side], ((0, 0), (before, side - kept - before)))).float()


def smear(images: Tensor, radius: int, sigma: float, angles: Tensor) -> Tensor:
    """Motion blur of `(N, C, H, W)`: each pixel averages those behind it in its image's direction.

    Weights fall like one side of a Gaussian; borders repeat. The offsets are those of ImageMagick's `MotionBlurImage`.
    """
    count, _, height, width = images.shape
    places = torch.arange(2 * radius + 1)
    weights = torch.exp(-(places.float() ** 2) / (2 * sigma**2))
    weights /= weights.sum()
    across = torch.ceil(places * torch.cos(angles)[:, None] - 0.5).long()
    down = torch.ceil(places * torch.sin(angles)[:, None] - 0.5).long()
    examples = torch.arange(count)[:, None, None]
    rows, columns = torch.arange(height)[None, :, None], torch.arange(width)[None, None, :]
    channels_last = images.movedim(1, -1)
    total = torch.zeros_like(channels_last)
    for place in places.tolist():
        y = (rows + down[:, place, None, None]).clamp(0, height - 1)
        x = (columns + across[:, place, None, None]).clamp(0, width - 1)
        total += weights[place] * channels_last[examples, y, x]
    return total.movedim(-1, 1)


def plasma(uniform: list[Tensor], decay: float) -> Tensor:
    """Random height maps `(N, side, side)` in [0, 1] by the diamond-square algorithm on a torus.

    `uniform` holds numbers in [-1, 1), two tensors `(N, step, step)` and `(N, 2, step, step)` a level, coarsest first.
    The roughness of a level is that of the coarser one over `decay` squared.
    """
    count = len(uniform[0])
    levels = len(uniform) // 2
    side = 2**levels
    heights = torch.zeros(count, side, side)
    for level in range(levels):
        step, roughness = side >> level, decay ** (-2.0 * level)
        half = step // 2
        corners = heights[:, ::step, ::step]
        pairs = corners + corners.roll(-1, 1)
        centres = (pairs + pairs.roll(-1, 2)) / 4 + roughness * uniform[2 * level]
        heights[:, half::step, half::step] = centres
        edges = roughness * uniform[2 * level + 1]
        beside = corners + corners.roll(-1, 2)
        heights[:, ::step, half::step] = (centres + centres.roll(1, 1) + beside) / 4 + edges[:, 0]
        beside = corners + corners.roll(-1, 1)
        heights[:, half::step, ::step] = (centres + centres.roll(1, 2) + beside) / 4 + edges[:, 1]
    heights -= heights.amin((1, 2), keepdim=True)
    return heights / heights.amax((1, 2), keepdim=True)
