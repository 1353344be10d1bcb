"""Contrast, elastic transform, pixelation and JPEG compression."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from brinell.probes.image_corruptions.random_numbers import RandomNumbers
from brinell.probes.image_corruptions.resampling import smooth


def contrast(images: Tensor, factor: float, numbers: RandomNumbers) -> Tensor:
    """Brings every value nearer to the mean of its channel."""
    means = images.mean((2, 3), keepdim=True)
    return (images - means) * factor + means


def elastic_transform(images: Tensor, setting: tuple[float, float, float], numbers: RandomNumbers) -> Tensor:
    """A random affine transform, then random smooth displacements.

    The setting holds the size of the displacements, the standard deviation of their smoothing, and the shift of the
    three corners of the affine transform, as shares of the shorter side.
    """
    height, width = images.shape[-2:]
    size, sigma, shift = (share * min(height, width) for share in setting)
    where = _affine(height, width, numbers.uniform((3, 2), 0, low=-shift, high=shift))
    turned = _sample(images, where, centred=True)
    moves = numbers.uniform((2, height, width), 1, low=-1.0)
    if sigma > 0:
        moves = smooth(moves, sigma, mode="reflect", truncate=3.0)
    grid = _grid(height, width)
    return _sample(turned, grid + size * moves.movedim(1, -1), centred=False)


def _affine(height: int, width: int, shifts: Tensor) -> Tensor:
    """Where each pixel of the result comes from, `(N, H, W, 2)`; three corners move by `shifts` `(N, 3, 2)`."""
    middle, reach = torch.tensor((width // 2, height // 2)).float(), min(height, width) // 3
    corners = middle + reach * torch.tensor(((1.0, 1.0), (1.0, -1.0), (-1.0, -1.0)))
    moved = corners + shifts
    found = torch.linalg.solve(torch.cat((moved, torch.ones(len(moved), 3, 1)), 2), corners.expand_as(moved))
    places = torch.cat((_grid(height, width), torch.ones(height, width, 1)), 2)
    origins: Tensor = places[None] @ found[:, None]
    return origins


def _grid(height: int, width: int) -> Tensor:
    """Coordinates `(x, y)` of every pixel, `(H, W, 2)`."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack((x, y), 2).float()


def _sample(images: Tensor, where: Tensor, *, centred: bool) -> Tensor:
    """Values at `where` (linear interpolation), mirrored at the centres of the border's pixels, or at their edges."""
    height, width = images.shape[-2:]
    sides = torch.tensor((width, height)).float()
    scaled = 2 * where / (sides - 1).clamp_min(1) - 1 if centred else (2 * where + 1) / sides - 1
    return F.grid_sample(images, scaled, padding_mode="reflection", align_corners=centred)


def pixelate(images: Tensor, factor: float, numbers: RandomNumbers) -> Tensor:
    """Averages boxes of pixels, and brings them back to the old size."""
    small = [max(1, int(side * factor)) for side in images.shape[-2:]]
    return _boxes(_boxes(images, *small), *images.shape[-2:])


def _boxes(images: Tensor, height: int, width: int) -> Tensor:
    """Pillow's `BOX` resizing, one matrix an axis."""
    return _box_matrix(images.shape[-2], height) @ images @ _box_matrix(images.shape[-1], width).T


def _box_matrix(before: int, after: int) -> Tensor:
    scale = before / after
    half = max(scale, 1.0) / 2
    distance = np.arange(before) + 0.5 - (np.arange(after)[:, None] + 0.5) * scale
    inside = ((distance > -half) & (distance <= half)).astype(np.float32)
    return torch.from_numpy(inside / inside.sum(1, keepdims=True))


def jpeg_compression(images: Tensor, quality: int, numbers: RandomNumbers) -> Tensor:
    """Writes and reads each image as JPEG; of other numbers of channels than three each channel by itself."""
    levels = (images * 255).round().to(torch.uint8).movedim(1, -1).numpy()
    if images.shape[1] == 3:
        found = np.stack([_jpeg(image, quality) for image in levels])
    else:
        found = np.stack(
            [np.stack([_jpeg(plane, quality) for plane in image.transpose(2, 0, 1)], -1) for image in levels]
        )
    return torch.from_numpy(found).movedim(-1, 1).float() / 255


def _jpeg(image: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    file = BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))
