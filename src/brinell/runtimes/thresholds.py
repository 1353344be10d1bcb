"""Batch norm and sign as one comparison: for each channel the number that an input has to exceed."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

_LARGEST: Final = torch.finfo(torch.float32).max


@torch.no_grad()
def cuts(norm: nn.Module, levels: Tensor, channels: int) -> tuple[Tensor, Tensor]:
    """Where `norm(x) >= level` changes, exactly as `norm` computes it in float32.

    The result is found by bisection over all float32 numbers with `norm` itself, which rises or falls in each channel,
    so that its own rounding is in it. A comparison then gives the reference's bit for every input.

    Args:
        norm: maps `(N, C, H, W)` channel by channel.
        levels: `(bases,)`.
        channels: C.

    Returns:
        Cuts `(bases, C)` and signs `(bases, C)`: where the sign is +1, `norm(x) >= level` if and only if `x > cut`;
        where it is -1, if and only if not `x > cut`. What never changes has a cut of -/+ the largest number.
    """
    bottom, top = (
        _ordered(torch.full((len(levels), channels), value, dtype=torch.float32)) for value in (-_LARGEST, _LARGEST)
    )
    at_bottom, at_top = _reached(norm, bottom, levels), _reached(norm, top, levels)
    low, high = bottom.clone(), top.clone()
    while bool((high - low > 1).any()):  # the comparison has its bottom value at `low`, and its top value at `high`
        middle = (low + high).div(2, rounding_mode="floor")
        same = _reached(norm, middle, levels) == at_bottom
        low, high = torch.where(same, middle, low), torch.where(same, high, middle)
    cut = _float(low)
    always, never = at_bottom & at_top, ~at_bottom & ~at_top
    cut = torch.where(always, -_LARGEST, torch.where(never, _LARGEST, cut))
    return cut, torch.where(at_bottom & ~at_top, -1.0, 1.0)


def _reached(norm: nn.Module, ordered: Tensor, levels: Tensor) -> Tensor:
    values: Tensor = norm(_float(ordered)[:, :, None, None])[:, :, 0, 0]
    return values >= levels[:, None].to(values.dtype)


def _ordered(values: Tensor) -> Tensor:
    """Whole numbers in the order of the float32 `values`, one step a representable number; both zeros are 0."""
    words = values.contiguous().view(torch.int32).long()
    return torch.where(words < 0, -(words & 0x7FFFFFFF), words)


def _float(ordered: Tensor) -> Tensor:
    """Undo `_ordered`."""
    magnitude = ordered.abs().to(torch.int32).view(torch.float32)
    return torch.where(ordered < 0, -magnitude, magnitude)
