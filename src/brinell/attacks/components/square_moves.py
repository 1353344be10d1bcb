"""What Square's search tries: its first image, and the next one from the best so far, in each norm."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

import torch
from torch import Tensor

from brinell.attacks.components.epsilon_batch import EpsilonBatch
from brinell.nn import Norm, uniform

_HALVED: Final = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)
"""Shares of the schedule after which a square has half as many pixels (section 5 of the paper)."""
_TILE: Final = 5
"""Bumps of l2's first image along each side."""
_SMALL: Final = 1e-12


@dataclass
class SearchState:
    """The best images so far and the clean ones, `(n, H * W * C)`, the ball's radius `(n,)`, and (C, H, W)."""

    images: Tensor
    clean: Tensor
    radius: Tensor
    size: tuple[int, int, int]

    @classmethod
    def of(cls, cells: EpsilonBatch) -> SearchState:
        """The clean images."""
        clean = cells.clean.permute(0, 2, 3, 1).reshape(len(cells.index), -1)
        channels, height, width = cells.clean.shape[1:]
        return cls(clean.clone(), clean, cells.radius, (channels, height, width))

    @property
    def view(self) -> Tensor:
        """The best images as `(n, C, H, W)`, in the same memory (channels last)."""
        channels, height, width = self.size
        return self.images.view(-1, height, width, channels).permute(0, 3, 1, 2)


class Move(NamedTuple):
    """New `values` of each image at these `places`, `(n, k)` both; of all of them without places."""

    places: Tensor | None
    values: Tensor

    def swap(self, images: Tensor) -> Move:
        """Write the new values into `images`; returns the move that takes them back."""
        if self.places is None:
            before = images.clone()
            images.copy_(self.values)
            return Move(None, before)
        before = images.gather(1, self.places)
        images.scatter_(1, self.places, self.values)
        return Move(self.places, before)

    def where(self, chosen: Tensor, otherwise: Move) -> Move:
        """Its own values in the `chosen` rows, those of a move of the same places in the others."""
        return Move(self.places, torch.where(chosen[:, None], self.values, otherwise.values))


def side_of(size: tuple[int, int, int], initial_share: float, progress: float) -> int:
    """Pixels along the side of a square once this share of the schedule is over."""
    _, height, width = size
    share = initial_share / 2 ** sum(progress > limit for limit in _HALVED)
    return min(max(round(math.sqrt(share * height * width)), 1), height, width)


def stripes(canvas: SearchState, ids: Tensor, seed: int, run: int) -> Move:
    """The clean image with vertical stripes of +-epsilon in each channel."""
    channels, height, width = canvas.size
    signs = _signs(uniform(seed, "square stripes", ids, (1, width, channels), run))
    values = canvas.clean + canvas.radius[:, None] * signs.expand(-1, height, -1, -1).flatten(1)
    return Move(None, values.clamp_(0.0, 1.0))


def linf_move(canvas: SearchState, side: int, noise: Tensor) -> Move:
    """A square of each channel at +epsilon or at -epsilon (algorithm 2)."""
    places, channels = _window(canvas, noise[:, :2], side), canvas.size[0]
    signs = _signs(noise[:, 5 : 5 + channels])
    delta = (canvas.radius[:, None] * signs).repeat(1, side * side)
    return Move(places, (canvas.clean.gather(1, places) + delta).clamp_(0.0, 1.0))


def bumps(canvas: SearchState, ids: Tensor, seed: int, run: int) -> Move:
    """The clean image with a grid of bumps of random signs, scaled to epsilon."""
    channels, height, width = canvas.size
    signs = _signs(uniform(seed, "square bumps", ids, (_TILE, _TILE, channels), run))
    side = max(min(height, width) // _TILE, 1)
    grid = torch.kron(signs, _bump(side).to(signs)[..., None])
    delta = torch.zeros((len(ids), height, width, channels), device=ids.device)
    top, left = max((height - side * _TILE) // 2, 0), max((width - side * _TILE) // 2, 0)
    part = grid[:, : height - top, : width - left]
    delta[:, top : top + part.shape[1], left : left + part.shape[2]] = part
    return _at_radius(canvas, delta.flatten(1))


def l2_move(canvas: SearchState, side: int, noise: Tensor) -> Move:
    """Take the perturbation out of one window and put as much into another (algorithm 3)."""
    channels, height, width = canvas.size
    side = max(side, 3)
    side = min(side + (side % 2 == 0), height, width)
    into, out_of = (_window(canvas, noise[:, first : first + 2], side) for first in (0, 2))
    delta = canvas.images - canvas.clean
    union = torch.zeros_like(delta, dtype=torch.bool).scatter_(1, into, True).scatter_(1, out_of, True)
    free = (canvas.radius.square() - delta.square().sum(1)).clamp_min(0) / channels
    length = (free[:, None] + _by_channel(torch.where(union, delta, 0.0), channels).square().sum(1)).sqrt()
    bump = _bump(side).to(delta)
    shape = torch.where((noise[:, 4] > 0.5)[:, None, None], bump, bump.T).flatten(1)[..., None]
    shape = shape * _signs(noise[:, 5 : 5 + channels])[:, None]
    shape = _unit(shape + _unit(_by_channel(delta.gather(1, into), channels)))
    delta = delta.scatter(1, out_of, 0.0).scatter_(1, into, (shape * length[:, None]).flatten(1))
    return _at_radius(canvas, delta)


Begin = Callable[[SearchState, Tensor, int, int], Move]
Next = Callable[[SearchState, int, Tensor], Move]
MOVES: Final[dict[Norm, tuple[Begin, Next]]] = {"linf": (stripes, linf_move), "l2": (bumps, l2_move)}
"""The first move, from ids, seed and run; and the next ones, from a side and random numbers `(n, 5 + C)` in [0, 1)."""


def _signs(noise: Tensor) -> Tensor:
    return torch.where(noise < 0.5, -1.0, 1.0)


def _window(canvas: SearchState, noise: Tensor, side: int) -> Tensor:
    """The places of a square of `side` in each image, where `(n, 2)` numbers put it."""
    channels, height, width = canvas.size
    corner = (noise[:, :1] * (height - side + 1)).long() * width + (noise[:, 1:] * (width - side + 1)).long()
    return corner * channels + _square(side, width, channels).to(noise.device)


@lru_cache(maxsize=256)
def _square(side: int, width: int, channels: int) -> Tensor:
    """The places of a square at the first corner."""
    span = torch.arange(side)
    return ((span[:, None, None] * width + span[:, None]) * channels + torch.arange(channels)).flatten()


def _by_channel(values: Tensor, channels: int) -> Tensor:
    """`(n, pixels, C)`."""
    return values.view(len(values), -1, channels)


def _unit(values: Tensor) -> Tensor:
    """Each channel of each image `(n, pixels, C)` at length 1."""
    unit: Tensor = values / values.square().sum(1, keepdim=True).sqrt().clamp_min(_SMALL)
    return unit


def _at_radius(canvas: SearchState, delta: Tensor) -> Move:
    """The clean image moved along `delta` by the radius, and then into the box."""
    length = delta.square().sum(1).sqrt().clamp_min(_SMALL)
    return Move(None, (canvas.clean + delta * (canvas.radius / length)[:, None]).clamp_(0.0, 1.0))


@lru_cache(maxsize=64)
def _bump(side: int) -> Tensor:
    """Two opposite pyramids side by side, of length 1 (section 4.3 of the paper, eta)."""
    half = side // 2
    bump = torch.zeros(side, side)
    if half:
        bump[:half] = _pyramid(half, side)
    bump[half:] = -_pyramid(side - half, side)
    unit: Tensor = bump / bump.square().sum().sqrt().clamp_min(_SMALL)
    return unit


def _pyramid(height: int, width: int) -> Tensor:
    """Rectangles round the centre, the k-th of 1 / k squared: they add up to a peak."""
    pyramid = torch.zeros(height, width)
    middle_row, middle_column = height // 2 + 1, width // 2 + 1
    for ring in range(max(middle_row, middle_column)):
        rows = slice(max(middle_row - 1 - ring, 0), min(middle_row + ring, height))
        columns = slice(max(middle_column - 1 - ring, 0), min(middle_column + ring, width))
        pyramid[rows, columns] += 1 / (ring + 1) ** 2
    unit: Tensor = pyramid / pyramid.square().sum().sqrt()
    return unit
