"""Noise keyed by what it is for, not by when it is drawn: the same example gets the same noise in any batch."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from brinell.core import derive_seed

# SplitMix64 (Steele, Lea & Flood 2014), in int64 arithmetic that wraps as uint64 does.
_GOLDEN = 0x9E3779B97F4A7C15 - (1 << 64)
_MIX = (0xBF58476D1CE4E5B9 - (1 << 64), 0x94D049BB133111EB - (1 << 64))


def uniform(seed: int, purpose: str, example_ids: Tensor, shape: tuple[int, ...], *at: int) -> Tensor:
    """Uniform float32 in [0, 1): `(N, *shape)`, row `i` a pure function of (seed, purpose, example_ids[i], at).

    `at` is where in the algorithm the noise is used: restart, step, generation. Rows are equal on every device.

    Args:
        seed: Of the run.
        purpose: What the noise is for.
        example_ids: Int64 `(N,)`.
        shape: Of one example's noise.
        at: Where in the algorithm: restart, step, generation.

    Returns:
        Multiples of 2 ** -24.

    Examples:
        >>> import torch
        >>> bool((uniform(0, "start", torch.arange(10), (3, 8, 8)) < 1).all())
        True
    """
    stream = derive_seed(seed, purpose, *at)
    rows = _mix(example_ids.to(torch.int64) * _GOLDEN + _signed(stream))
    count = math.prod(shape)
    cells = torch.arange(1, count + 1, dtype=torch.int64, device=example_ids.device) * _GOLDEN
    bits = _shift(_mix(rows[:, None] + cells), 40)  # 24 bits: every value is exact in float32
    return (bits.to(torch.float32) * 2.0**-24).reshape(len(example_ids), *shape)


def random_bits(seed: int, purpose: str, example_ids: Tensor, shape: tuple[int, ...], *at: int) -> Tensor:
    """Random int64 `(N, *shape)`, keyed as `uniform` is: 64 bits to be split, where many numbers a cell are wanted.

    Cells are mixed once for all examples and each example's key is then stirred in by one more round, which costs a
    third of a full mix a number.

    Args:
        seed: Of the run.
        purpose: What the numbers are for.
        example_ids: Int64 `(N,)`.
        shape: Of one example's numbers.
        at: Where in the algorithm.

    Returns:
        All 64 bits of each number are random.

    Examples:
        >>> import torch
        >>> random_bits(0, "mutation", torch.arange(3), (4,)).shape
        torch.Size([3, 4])
    """
    stream = derive_seed(seed, purpose, *at)
    rows = _mix(example_ids.to(torch.int64) * _GOLDEN + _signed(stream))
    cells = torch.arange(1, math.prod(shape) + 1, dtype=torch.int64, device=example_ids.device) * _GOLDEN
    stirred = (_mix(cells)[None] ^ rows[:, None]) * _MIX[0]
    return (stirred ^ _shift(stirred, 32)).reshape(len(example_ids), *shape)


def gaussian(seed: int, purpose: str, example_ids: Tensor, shape: tuple[int, ...], *at: int) -> Tensor:
    """Standard normal float32 `(N, *shape)`, keyed as `uniform` is (Box-Muller).

    Args:
        seed: Of the run.
        purpose: What the noise is for.
        example_ids: Int64 `(N,)`.
        shape: Of one example's noise.
        at: Where in the algorithm: restart, step, generation.

    Returns:
        Row `i` depends on the id of example `i` and not on the others.

    Examples:
        >>> import torch
        >>> ids = torch.tensor([5, 9])
        >>> torch.equal(gaussian(0, "start", ids, (2, 2))[1:], gaussian(0, "start", ids[1:], (2, 2)))
        True
    """
    radius = uniform(seed, purpose + "/radius", example_ids, shape, *at)
    angle = uniform(seed, purpose + "/angle", example_ids, shape, *at)
    return (-2 * torch.log1p(-radius)).sqrt() * torch.cos(2 * math.pi * angle)


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


def _shift(value: Tensor, bits: int) -> Tensor:
    """Logical shift to the right; int64's own is arithmetic."""
    return (value >> bits) & ((1 << (64 - bits)) - 1)


def _mix(value: Tensor) -> Tensor:
    value = (value ^ _shift(value, 30)) * _MIX[0]
    value = (value ^ _shift(value, 27)) * _MIX[1]
    return value ^ _shift(value, 31)
