"""Powers of two: the levels of incremental network quantisation, exact in floating point."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_SMALLEST = -126
"""Exponent of float32's smallest normal number."""
_DOWN = 8
"""Powers of two below the paper's top that `best_exponent_range` looks at."""


def exponent_range(weight: Tensor, bits: int) -> tuple[int, int]:
    """(n2, n1): levels are 0 and +-2^n2 to +-2^n1, 2^(bits - 1) + 1 of them (Zhou 2017, equations 2 and 3).

    n1 = floor(log2(4 max|w| / 3)) is the power of two nearest to the largest weight, and is read off its exponent: a
    logarithm may be off by one at the border. n2 = n1 + 1 - 2^(bits - 1) / 2.
    """
    mantissa, exponent = math.frexp(float(weight.abs().max()))
    highest = exponent - 1 + (mantissa >= 0.75)
    return max(_SMALLEST, highest + 1 - 2 ** (bits - 2)), max(_SMALLEST, highest)


def best_exponent_range(weight: Tensor, bits: int) -> tuple[int, int]:
    """(n2, n1) of which quantising changes the weights least, by the sum of squares; n1 at most the paper's.

    One weight far out costs a coarse network otherwise: at 3 bits everything below a quarter of the top becomes zero.
    """
    values = weight[weight != 0]
    lowest, highest = exponent_range(weight, bits)
    if not len(values):
        return lowest, highest
    steps = range(min(_DOWN, lowest - _SMALLEST) + 1)
    errors = [
        float((nearest_power(values, lowest - by, highest - by) - values).double().square().sum()) for by in steps
    ]
    by = errors.index(min(errors))
    return lowest - by, highest - by


def nearest_power(weight: Tensor, lowest: int, highest: int) -> Tensor:
    """The nearest level in linear distance, away from zero at ties (equation 4); what lies above the top gets the top.

    With float32 `weight` the result is float32 whose mantissa is exactly 1, or 0.
    """
    size = weight.abs()
    mantissa, exponent = torch.frexp(size)  # size = mantissa * 2^exponent, mantissa in [0.5, 1)
    nearest = (exponent - 1 + (mantissa >= 0.75)).clamp(lowest, highest)
    powers_of_two = [math.ldexp(1.0, power) for power in range(lowest, highest + 1)]
    levels = torch.tensor(powers_of_two, dtype=weight.dtype, device=weight.device)
    powers = levels[(nearest - lowest).long()] * weight.sign()
    return torch.where(size >= math.ldexp(1.0, lowest - 1), powers, 0.0)
