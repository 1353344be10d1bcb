"""Binary convolutions as plain ones of thresholded inputs: for forward passes, without gradients.

Batch norm and sign are four passes over a map that the convolution reads once. `sign(a * x + b)` asks on which side of
`-b / a` x is: one comparison, written into the convolution's padding. The convolution of what that writes is a plain
one, which batch norms fold into and relus fuse with.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

from brinell.nn.autocast import is_autocast
from brinell.nn.binary_layers.abc_net import ABCConv2d
from brinell.nn.binary_layers.binary import BinaryConv2d
from brinell.nn.frozen_copy import copy_module
from brinell.nn.module_utils import replace

_CHUNK: Final = 1 << 16
"""Elements at a time: few enough to stay in a processor's cache while all bases pass over them."""


class Threshold(nn.Module):
    """Maps `(N, C, H, W)` to the sum of the `heights` whose `thresholds` `(bases, C)` are at x or below.

    Around it is a margin of half the sum of all heights: what stands for the 0 of the convolution's padding.
    """

    thresholds: Tensor
    rounded: Tensor

    def __init__(self, thresholds: Tensor, heights: list[float], padding: tuple[int, int]) -> None:
        super().__init__()
        self.heights, self.padding = heights, padding
        self.register_buffer("thresholds", _upwards(thresholds, torch.float32))
        self.register_buffer("rounded", _upwards(thresholds, torch.bfloat16))
        self.maps = thresholds.new_empty(0)

    def forward(self, x: Tensor) -> Tensor:
        """In the precision that convolutions have here."""
        if is_autocast(x):
            x = x.to(torch.get_autocast_dtype(x.device.type))
        out, inner = self._with_margin(x)
        if self.heights == [1.0]:
            torch.ge(x, self._maps(x)[0], out=inner)
            return out
        size = max(1, _CHUNK // x.shape[1:].numel())
        for part, target in zip(x.split(size), inner.split(size), strict=True):
            target.copy_(self._sum(part.float()))  # comparing two types is slow, and 8 bits are too few to add up in
        return out

    def _sum(self, x: Tensor) -> Tensor:
        total, above = torch.zeros_like(x), torch.empty_like(x)
        for thresholds, height in zip(self._maps(x), self.heights, strict=True):
            total.add_(torch.ge(x, thresholds, out=above), alpha=height)
        return total

    def _with_margin(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What is written to, and the part of it inside the margin."""
        (above, beside), (count, channels, height, width) = self.padding, x.shape
        shape = (count, channels, height + 2 * above, width + 2 * beside)
        out = torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)
        margin = sum(self.heights) / 2
        if above:
            out[:, :, :above] = out[:, :, -above:] = margin
        if beside:
            out[:, :, :, :beside] = out[:, :, :, -beside:] = margin
        return out, out[:, :, above : above + height, beside : beside + width]

    def _maps(self, x: Tensor) -> Tensor:
        """The thresholds for every pixel: to compare whole rows of memory is faster than channel by channel."""
        if self.maps.shape[1:] != x.shape[1:] or (self.maps.dtype, self.maps.device) != (x.dtype, x.device):
            known = self.rounded if x.dtype == torch.bfloat16 else self.thresholds
            maps = known.to(x.dtype)[:, :, None, None].expand(-1, *x.shape[1:])
            self.maps = maps.contiguous(memory_format=torch.channels_last)
        return self.maps


def threshold_binary(module: nn.Module) -> nn.Module:
    """A copy of `module` in which binary convolutions are plain ones of thresholded inputs.

    It computes the same but for float rounding, which may put an input that is exactly at its threshold on the other
    side. What XNOR-Net's input scale makes float again stays as it is; without others it is `module` itself.

    Args:
        module: In evaluation mode; it is not changed.

    Returns:
        The copy, or `module`.

    Examples:
        >>> from torch import nn
        >>> network = nn.Sequential(nn.Conv2d(1, 2, 3))
        >>> threshold_binary(network) is network
        True
    """
    found = [name for name, part in module.named_modules() if _fits(part)]
    if not found:
        return module
    changed = copy_module(module)
    for name in found:
        layer = changed.get_submodule(name)
        if isinstance(layer, BinaryConv2d | ABCConv2d):
            replace(changed, name, _plain(layer))
    return changed.eval().requires_grad_(False)


def _fits(part: nn.Module) -> bool:
    return type(part) is ABCConv2d or (type(part) is BinaryConv2d and not part.input_scale)


@torch.no_grad()
def _plain(layer: BinaryConv2d | ABCConv2d) -> nn.Sequential:
    """With `t_n` whether x is at its n-th threshold or above, the sum of `h_n (2 t_n - 1) W` over what a window covers
    is twice that of `h_n t_n W`, less the sum of `h_n W`.
    """
    if isinstance(layer, BinaryConv2d):
        weight, levels, heights = layer.weight * layer.scale.view(-1, 1, 1, 1), layer.scale.new_zeros(1), [1.0]
    else:
        weight, levels, heights = layer.kernel(), 0.5 - layer.shifts, layer.heights.tolist()
    if len(heights) == 1:  # ones and zeros need no sum
        weight, heights = weight.double() * heights[0], [1.0]
    thresholds, rising = _thresholds(layer.norm, levels.double())
    signed = weight.double() * _by_input(rising, layer)
    padding = layer.options["padding"]
    plain = nn.utils.skip_init(
        nn.Conv2d, layer.in_channels, layer.out_channels, layer.kernel_size, **{**layer.options, "padding": 0}
    )
    plain.weight.copy_(2 * signed)
    bias = -sum(heights) * signed.sum((1, 2, 3))
    plain.bias.copy_(bias if layer.bias is None else bias + layer.bias)
    return nn.Sequential(Threshold(thresholds, heights, (padding,) * 2 if isinstance(padding, int) else padding), plain)


def _thresholds(norm: nn.BatchNorm2d, levels: Tensor) -> tuple[Tensor, Tensor]:
    """Where the norm reaches each of `levels` `(bases, C)`, and -1 for channels that fall with x, else +1 `(C,)`."""
    state = {name: tensor.double() for name, tensor in norm.state_dict().items()}
    slope = state["weight"] / (state["running_var"] + norm.eps).sqrt()
    away = levels[:, None] - state["bias"]
    thresholds = state["running_mean"] + away / slope
    # A channel that falls is at its level or above up to the threshold, that included.
    thresholds = torch.where(slope < 0, thresholds.nextafter(torch.full_like(thresholds, torch.inf)), thresholds)
    flat = torch.where(away > 0, torch.inf, -torch.inf).double()
    return torch.where(slope == 0, flat, thresholds), torch.where(slope < 0, -1.0, 1.0).double()


def _by_input(signs: Tensor, layer: BinaryConv2d | ABCConv2d) -> Tensor:
    """The sign of the input that each of the weights `(out, in / groups, k, k)` meets."""
    groups = layer.options["groups"]
    return signs.view(groups, -1).repeat_interleave(layer.out_channels // groups, 0)[:, :, None, None]


def _upwards(values: Tensor, dtype: torch.dtype) -> Tensor:
    """The smallest numbers of this type that are no smaller: numbers of the type compare with them as with `values`."""
    rounded = values.to(dtype)
    higher = rounded.nextafter(torch.full_like(rounded, torch.inf))
    return torch.where(rounded.double() < values, higher, rounded)
