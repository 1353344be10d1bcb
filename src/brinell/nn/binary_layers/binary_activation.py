"""What a binary convolution reads: its input after batch norm, as signs or as a staircase of signs."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, Final, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from brinell.nn.binary_layers.activation_kernel import has_numba, kernels
from brinell.nn.binary_layers.staircase import staircase
from brinell.nn.binary_layers.straight_through import sign

_WIDTH: Final = 512
"""Numbers of a row of the tables that the kernels work on, about; several rows fit a processor's first cache."""
_PART: Final = 1 << 18
"""Numbers that one thread works on at a time. Sums are added up part by part, whatever the number of threads."""
_LEAST: Final = 1 << 12
"""Numbers in the map of one image below which compiling takes longer than it saves."""

Vector = NDArray[np.float32]
Values = NDArray[np.float64]


def normed_signs(norm: nn.BatchNorm2d, x: Tensor, surrogate: str = "clip") -> Tensor:
    """`sign(norm(x), surrogate)`, of `x` `(N, C, H, W)`."""
    if _is_compiled(norm, x, surrogate):
        result: Tensor = _NormedStaircase.apply(x, norm.weight, norm.bias, None, None, norm)  # type: ignore[no-untyped-call]
        return result
    return sign(norm(x), surrogate)


def normed_staircase(
    norm: nn.BatchNorm2d, x: Tensor, shifts: Tensor, heights: Tensor, surrogate: str = "clip"
) -> Tensor:
    """`staircase(norm(x), shifts, heights, surrogate)`, of `x` `(N, C, H, W)`."""
    if _is_compiled(norm, x, surrogate):
        result: Tensor = _NormedStaircase.apply(x, norm.weight, norm.bias, shifts, heights, norm)  # type: ignore[no-untyped-call]
        return result
    return staircase(norm(x), shifts, heights, surrogate)


def _is_compiled(norm: nn.BatchNorm2d, x: Tensor, surrogate: str) -> bool:
    """Whether the kernels take this pass: one with gradients, in float32, on a processor, of a plain batch norm.

    A pass without gradients is what a network is judged by. Its operations are PyTorch's, installed kernels or not.
    """
    return (
        torch.is_grad_enabled()
        and surrogate == "clip"
        and type(x) is Tensor
        and (x.dtype, x.device.type, x.dim()) == (torch.float32, "cpu", 4)
        and x.is_contiguous(memory_format=torch.channels_last)
        and len(x) > 0
        and x[0].numel() >= _LEAST
        and not torch.is_autocast_enabled("cpu")
        and type(norm) is nn.BatchNorm2d
        and norm.affine
        and norm.running_mean is not None
        and norm.momentum is not None
        and not (norm._forward_hooks or norm._forward_pre_hooks or norm._backward_hooks or norm._backward_pre_hooks)
        and has_numba()
    )


class _NormedStaircase(torch.autograd.Function):
    @staticmethod
    def forward(
        context: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        shifts: Tensor | None,
        heights: Tensor | None,
        norm: nn.BatchNorm2d,
    ) -> Tensor:
        mean, variance = _batch_moments(norm, x) if norm.training else _running_moments(norm)
        inverse = 1 / np.sqrt(variance + norm.eps)
        scale = _values(weight) * inverse
        columns = _columns(x, scale, _values(bias) - mean * scale)
        steps = _Steps.of(shifts, heights)
        out = torch.empty_like(x)
        _run(kernels().forward, (x,), (*columns, steps.thresholds, steps.rises), (out,))
        context.save_for_backward(x)
        context.kept = (mean, inverse, scale, columns, steps, norm.training)
        return out

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (x,) = context.saved_tensors
        mean, inverse, scale, columns, steps, training = context.kept
        _, by_weight, by_bias, by_shifts, by_heights, _ = context.needs_input_grad
        width = _width(x) if training or by_weight or by_bias else 0
        count = len(steps.rises) + 1 if by_shifts or by_heights else 0
        out = torch.empty_like(x)
        gradient = gradients[0].contiguous(memory_format=torch.channels_last)
        shared = (*columns, steps.thresholds, steps.slopes, steps.reach, *_columns(x, mean))
        by_column, by_step = _run(kernels().backward, (x, gradient), shared, (out,), sums=(width, count))
        total, product = _by_channel(by_column, x) if width else (np.zeros_like(mean), np.zeros_like(mean))
        if training:
            # The gradient through the batch's own mean and variance (Ioffe 2015, section 3).
            pixels = x.numel() / x.shape[1]
            factor = -scale * np.square(inverse) * product / pixels
            constant = -scale * total / pixels - factor * mean
            _run(kernels().add_affine, (x,), _columns(x, factor, constant), (out,))
        return (
            out,
            _tensor(product * inverse),
            _tensor(total),
            _tensor(steps.rises * by_step[0, :-1]) if count else None,
            _tensor(2 * by_step[1, :-1] - by_step[1, -1]) if count else None,
            None,
        )


class _Steps(NamedTuple):
    """A staircase for the kernels."""

    thresholds: Vector
    rises: Vector
    """Twice the heights of the bases."""
    slopes: Vector
    """What the gradient is multiplied by within `reach` of each threshold."""
    reach: np.float32

    @classmethod
    def of(cls, shifts: Tensor | None, heights: Tensor | None) -> Self:
        """ABC-Net's; without `shifts` and `heights` one step from -1 to 1 at zero, with a slope of 1 within 1."""
        if shifts is None or heights is None:
            return cls(np.zeros(1, np.float32), np.full(1, 2, np.float32), np.ones(1, np.float32), np.float32(1))
        rises = (2 * heights.detach().float()).numpy()
        return cls((0.5 - shifts.detach().float()).numpy(), rises, rises, np.float32(0.5))


@torch.no_grad()
def _batch_moments(norm: nn.BatchNorm2d, x: Tensor) -> tuple[Values, Values]:
    """Mean and biased variance of the batch, float64, with which the running ones are updated."""
    count = x.numel() // x.shape[1]
    if count < 2:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {x.shape}")
    origin = _table(x)[0, : x.shape[1]]
    (by_column,) = _run(kernels().moments, (x,), _columns(x, origin), (), sums=(_width(x),))
    first, second = _by_channel(by_column, x) / count
    mean, variance = origin + first, (second - np.square(first)).clip(0)
    momentum = float(norm.momentum or 0)
    for running, fresh in ((norm.running_mean, mean), (norm.running_var, variance * (count / (count - 1)))):
        if running is not None:
            running.mul_(1 - momentum).add_(_tensor(fresh), alpha=momentum)
    if norm.num_batches_tracked is not None:
        norm.num_batches_tracked.add_(1)
    return mean, variance


def _running_moments(norm: nn.BatchNorm2d) -> tuple[Values, Values]:
    return _values(norm.get_buffer("running_mean")), _values(norm.get_buffer("running_var"))


def _run(
    kernel: Callable[..., None],
    maps: tuple[Tensor, ...],
    shared: tuple[Any, ...],
    outs: tuple[Tensor, ...],
    sums: tuple[int, ...] = (),
) -> list[Values]:
    """Call `kernel(*maps, *shared, *outs, *sums)` on the tables part by part, and add the parts' `(2, n)` sums up."""
    tables, targets = [_table(tensor) for tensor in maps], [_table(tensor) for tensor in outs]
    rows, width = tables[0].shape
    size = max(1, _PART // width)

    def part(start: int) -> list[Values]:
        place, added = slice(start, start + size), [np.zeros((2, count)) for count in sums]
        kernel(*(table[place] for table in tables), *shared, *(table[place] for table in targets), *added)
        return added

    starts, threads = range(0, rows, size), torch.get_num_threads()
    parts = list(map(part, starts) if threads == 1 or len(starts) == 1 else _threads(threads).map(part, starts))
    return [np.sum(added, axis=0) for added in zip(*parts, strict=True)]


@cache
def _threads(count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count, thread_name_prefix="brinell-activations")


def _width(x: Tensor) -> int:
    """Numbers in a row of the table."""
    return _row(x.shape[1], x.numel() // x.shape[1])


@cache
def _row(channels: int, pixels: int) -> int:
    """Whole pixels, as many as divide the map and come near `_WIDTH`."""
    return channels * next(size for size in range(max(1, _WIDTH // channels), 0, -1) if pixels % size == 0)


def _table(x: Tensor) -> Vector:
    """The memory of `x`, which is channels last, as `(rows, width)`."""
    table: Vector = x.detach().permute(0, 2, 3, 1).reshape(-1, _width(x)).numpy()
    return table


def _columns(x: Tensor, *values: Values | Vector) -> tuple[Vector, ...]:
    """Values of each channel as values of each column."""
    pixels = _width(x) // x.shape[1]
    # A copy each: views that cannot be written to would have the kernels compiled once more.
    return tuple(value.astype(np.float32)[None].repeat(pixels, 0).reshape(-1) for value in values)


def _by_channel(sums: Values, x: Tensor) -> Values:
    """Sums of each column `(2, width)` as sums of each channel `(2, C)`."""
    result: Values = sums.reshape(2, -1, x.shape[1]).sum(1)
    return result


def _values(tensor: Tensor) -> Values:
    return tensor.detach().double().numpy()


def _tensor(values: Values) -> Tensor:
    return torch.from_numpy(values).float()
