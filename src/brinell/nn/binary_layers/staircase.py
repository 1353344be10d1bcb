"""A staircase of signs in place of a continuous activation: the sum of N binary bases (ABC-Net)."""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor

from brinell.nn.binary_layers.straight_through import SURROGATES

_CHUNK: Final = 1 << 16
"""Elements at a time on a CPU: few enough to stay in its cache while all bases pass over them."""


def staircase(x: Tensor, shifts: Tensor, heights: Tensor, surrogate: str = "clip") -> Tensor:
    """`sum_n heights[n] * A_n` with `A_n = sign(2 (x + shifts[n]) - 1)`; shifts and heights `(N,)`, `x` of any shape.

    A_n is ABC-Net's 2 * 1{clip(x + v_n, 0, 1) >= 0.5} - 1 (Lin 2017, equations 7 and 8), +1 at the threshold itself.
    The backward pass puts the `surrogate`'s derivative, at 2 (x + v_n) - 1, in place of sign's: with `clip` that is the
    true derivative of the clipped ramp 2 clip(x + v_n, 0, 1) - 1. The paper prints 1{0 <= x + v_n <= 1} without the
    factor 2, which makes all gradients through a layer half as large.

    All bases are added up while a piece of `x` is at hand: no intermediate of the size of N times `x` is ever made.

    Args:
        x: Float, of any shape.
        shifts: `(N,)`, one a base.
        heights: `(N,)`, one a base.
        surrogate: A name of `SURROGATES`.

    Returns:
        Of the shape of `x`.

    Examples:
        >>> import torch
        >>> staircase(torch.tensor([0.0, 1.0]), torch.tensor([0.0]), torch.tensor([2.0]))
        tensor([-2.,  2.])
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
        steps = _steps(shifts, heights)
        floor = -heights.float().sum()
        out = torch.empty_like(x)
        for piece, target in zip(_pieces(x), _pieces(out), strict=True):
            values, total = piece.float(), target.float()
            total.copy_(floor)
            above = torch.empty_like(total)
            for threshold, size in steps:
                _add(total, torch.ge(values, threshold, out=above), size)
            _write(target, total)
        return out

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        x, shifts, heights = context.saved_tensors
        wants_x, trains = context.needs_input_grad[0], any(context.needs_input_grad[1:3])
        flow = gradients[0] if gradients[0].stride() == x.stride() else torch.empty_like(x).copy_(gradients[0])
        back = torch.empty_like(x)
        steps = _steps(shifts, heights)
        sums: list[Tensor] = []
        for piece, upstream, target in zip(_pieces(x), _pieces(flow), _pieces(back), strict=True):
            values, pull, total = piece.float(), upstream.float(), target.float()
            total.zero_()
            above = torch.empty_like(total)
            for threshold, size in steps:
                passed = _passed(context.surrogate, pull, values, threshold)
                _add(total, passed, size)
                if trains:
                    sums += [passed.sum(), torch.dot(torch.ge(values, threshold, out=above), pull)]
            if trains:
                sums.append(pull.sum())
            _write(target, total)
        if not trains:
            return back, None, None, None
        summed = torch.stack(sums).view(-1, 2 * len(steps) + 1).sum(0)
        by_shift, by_height = 2 * heights.float() * summed[:-1:2], 2 * summed[1::2] - summed[-1]
        return back if wants_x else None, by_shift.to(shifts.dtype), by_height.to(heights.dtype), None


def _steps(shifts: Tensor, heights: Tensor) -> list[tuple[Any, Any]]:
    """Thresholds and twice the heights: numbers, with which a CPU computes faster, or where reading them would wait for
    a device, tensors.
    """
    thresholds, sizes = 0.5 - shifts.float(), 2 * heights.float()
    if thresholds.device.type == "cpu":
        return list(zip(thresholds.tolist(), sizes.tolist(), strict=True))
    return list(zip(thresholds.unbind(), sizes.unbind(), strict=True))


def _add(total: Tensor, values: Tensor, factor: float | Tensor) -> None:
    if isinstance(factor, Tensor):
        total.addcmul_(values, factor)
    else:
        total.add_(values, alpha=factor)


def _write(target: Tensor, values: Tensor) -> None:
    if target is not values:
        target.copy_(values)


def _passed(surrogate: str, gradient: Tensor, x: Tensor, threshold: float | Tensor) -> Tensor:
    """The gradient times the `surrogate`'s derivative at 2 (x - threshold)."""
    if surrogate == "clip" and not isinstance(threshold, Tensor):
        return torch.ops.aten.hardtanh_backward(gradient, x, threshold - 0.5, threshold + 0.5)  # type: ignore[no-any-return]
    return SURROGATES[surrogate](gradient, (x - threshold).mul_(2))


def _dense(x: Tensor) -> Tensor:
    """`x` itself where its elements fill one piece of memory in any order of dimensions; else a copy that does."""
    return x if torch.empty_like(x).stride() == x.stride() else x.contiguous()


def _pieces(x: Tensor) -> tuple[Tensor, ...]:
    """`x`, which is dense, in the order of memory, in pieces of a size that suits its device."""
    flat = x.as_strided((x.numel(),), (1,))
    pieces: tuple[Tensor, ...] = flat.split(_CHUNK if x.device.type == "cpu" else max(1, x.numel()))
    return pieces
