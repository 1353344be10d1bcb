"""A staircase of signs in place of a continuous activation: the sum of N binary bases (ABC-Net)."""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor

from brinell.nn.straight_through import SURROGATES

_CHUNK: Final = 1 << 16
"""Elements at a time on a CPU: few enough to stay in its cache while all bases pass over them."""


def staircase(x: Tensor, shifts: Tensor, heights: Tensor, surrogate: str = "clip") -> Tensor:
    """`sum_n heights[n] * A_n` with `A_n = sign(2 (x + shifts[n]) - 1)`; shifts and heights `(N,)`, `x` of any shape.

    A_n is ABC-Net's 2 * 1{clip(x + v_n, 0, 1) >= 0.5} - 1 (Lin 2017, equations 7 and 8), +1 at the threshold itself.
    The backward pass puts the `surrogate`'s derivative, at 2 (x + v_n) - 1, in place of sign's: with `clip` that is the
    true derivative of the clipped ramp 2 clip(x + v_n, 0, 1) - 1. The paper prints 1{0 <= x + v_n <= 1} without the
    factor 2, which makes all gradients through a layer half as large.

    All bases are added up while a piece of `x` is at hand: no intermediate of the size of N times `x` is ever made.
    """
    if torch.onnx.is_in_onnx_export():
        return _plain(x, shifts, heights)
    result: Tensor = _Staircase.apply(x, shifts, heights, surrogate)  # type: ignore[no-untyped-call]
    return result


def _plain(x: Tensor, shifts: Tensor, heights: Tensor) -> Tensor:
    """The same in operations that ONNX has."""
    total = torch.zeros_like(x) - heights.sum()
    for shift, height in zip(shifts.unbind(), heights.unbind(), strict=True):
        total = total + 2 * height * (x >= 0.5 - shift).to(x.dtype)
    return total


class _Staircase(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: Tensor, shifts: Tensor, heights: Tensor, surrogate: str) -> Tensor:
        x = _dense(x)
        context.save_for_backward(x, shifts, heights)
        context.surrogate = surrogate
        steps = list(zip((0.5 - shifts.float()).unbind(), heights.float().unbind(), strict=True))
        floor = -heights.float().sum()
        out = torch.empty_like(x)
        for piece, target in zip(_pieces(x), _pieces(out), strict=True):
            values = piece.float()
            total = floor.expand_as(values).clone()
            above = torch.empty_like(total)
            for threshold, height in steps:
                torch.ge(values, threshold, out=above)
                total.addcmul_(above, height, value=2)
            target.copy_(total)
        return out

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        x, shifts, heights = context.saved_tensors
        stand_in = SURROGATES[context.surrogate]
        wants_x, trains = context.needs_input_grad[0], any(context.needs_input_grad[1:3])
        flow = torch.empty_like(x).copy_(gradients[0])
        back = torch.empty_like(x) if wants_x else None
        thresholds, sizes = (0.5 - shifts.float()).unbind(), (2 * heights.float()).unbind()
        by_shift, by_height = torch.zeros(2, len(sizes), device=x.device).unbind()
        targets = _pieces(back) if back is not None else _pieces(x)
        for piece, upstream, target in zip(_pieces(x), _pieces(flow), targets, strict=True):
            values, pull = piece.float(), upstream.float()
            total, above = torch.zeros_like(values), torch.empty_like(values)
            for n, (threshold, size) in enumerate(zip(thresholds, sizes, strict=True)):
                passed = stand_in(pull, torch.sub(values, threshold, out=above).mul_(2))
                total.addcmul_(passed, size)
                if trains:
                    by_shift[n] += passed.sum() * size
                    by_height[n] += 2 * torch.dot(torch.ge(values, threshold, out=above), pull)
            if trains:
                by_height -= pull.sum()
            if back is not None:
                target.copy_(total)
        return back, by_shift.to(shifts.dtype), by_height.to(heights.dtype), None


def _dense(x: Tensor) -> Tensor:
    """`x` itself where its elements fill one piece of memory in any order of dimensions; else a copy that does."""
    return x if torch.empty_like(x).stride() == x.stride() else x.contiguous()


def _pieces(x: Tensor) -> tuple[Tensor, ...]:
    """`x`, which is dense, in the order of memory, in pieces of a size that suits its device."""
    flat = x.as_strided((x.numel(),), (1,))
    pieces: tuple[Tensor, ...] = flat.split(_CHUNK if x.device.type == "cpu" else max(1, x.numel()))
    return pieces
