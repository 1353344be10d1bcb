"""Starting values for ABC-Net's layers: what the float network shows them on training images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, cast

import torch
from torch import Tensor, nn

from brinell.nn import LatentABCConv2d, weight_identity

_SAMPLE: Final = 1 << 16
"""Values that a layer's thresholds are fitted to."""
_ROUNDS: Final = 60


@dataclass
class _Seen:
    """What came into one convolution: each channel's sums, and some of its values."""

    count: int = 0
    total: Tensor | float = 0.0
    squares: Tensor | float = 0.0
    values: list[Tensor] = field(default_factory=list)


@torch.no_grad()
def calibrate(
    network: nn.Module,
    latent: nn.Module,
    layers: Iterable[str],
    batches: Iterable[Tensor],
    *,
    window: float | None = None,
) -> None:
    """Start the ABC `layers` of `latent` so that each comes near to what its convolution in `network` does.

    Its batch norm gets the mean and the deviation of each input channel, and the deviation is multiplied into the
    weights: the float convolution of the normed input is then the old one, up to a constant that the batch norm
    behind it (or the bias) takes. Thresholds and heights are those of the staircase nearest to the normed inputs
    (`fit_staircase`). With `window`, inputs are then scaled (and weights against it), so that the stretch in which a
    threshold has a gradient, 1 long, is `window` mean steps of that staircase. `network` is in evaluation mode, and
    `batches` are images on its device.
    """
    before, after = dict(network.named_modules()), dict(latent.named_modules())
    seen = {name: _Seen() for name in layers}
    hooks = [before[name].register_forward_pre_hook(partial(_look, told)) for name, told in seen.items()]
    try:
        for images in batches:
            network(images)
    finally:
        for hook in hooks:
            hook.remove()
    by_weight: dict[tuple[int, int], list[str]] = {}
    for name in seen:
        layer = cast(LatentABCConv2d, after[name])
        by_weight.setdefault((id(weight_identity(layer)), layer.in_channels), []).append(name)
    for names in by_weight.values():
        together = [cast(LatentABCConv2d, after[name]) for name in names]
        _start(together, _together([seen[name] for name in names]), window)


def _look(told: _Seen, layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    by_channel = inputs[0].detach().transpose(0, 1).flatten(1)
    told.count += by_channel.shape[1]
    told.total = told.total + by_channel.sum(1, dtype=torch.float64)
    told.squares = told.squares + by_channel.double().square().sum(1)
    every = max(1, by_channel.numel() // _SAMPLE)
    told.values.append(by_channel[:, ::every].cpu())


def _together(seen: Sequence[_Seen]) -> _Seen:
    """What came into layers that share a weight, as if they were one."""
    return _Seen(
        count=sum(each.count for each in seen),
        total=sum((torch.as_tensor(each.total) for each in seen[1:]), torch.as_tensor(seen[0].total)),
        squares=sum((torch.as_tensor(each.squares) for each in seen[1:]), torch.as_tensor(seen[0].squares)),
        values=[values for each in seen for values in each.values],
    )


def _start(layers: Sequence[LatentABCConv2d], told: _Seen, window: float | None) -> None:
    """Start one layer, or several that share a weight, for the inputs seen."""
    layer = layers[0]
    mean = torch.as_tensor(told.total).cpu() / told.count
    variance = (torch.as_tensor(told.squares).cpu() / told.count - mean.square()).clamp_min(0)
    deviation = (variance + layer.norm.eps).sqrt()
    values = (torch.cat(told.values, 1) - mean[:, None]) / deviation[:, None]
    sample = values.flatten()
    thresholds, heights, middle = fit_staircase(sample[:: max(1, len(sample) // _SAMPLE)], layer.activation_bases)
    groups = layer.options["groups"]
    by_input = deviation.view(groups, 1, -1).expand(groups, layer.out_channels // groups, -1)
    scale = by_input.reshape(layer.out_channels, -1, 1, 1).float()
    centre = (mean / deviation).view(groups, 1, -1).expand_as(by_input).reshape(scale.shape).float()
    factor = 1.0 if window is None else float(1 / (window * 2 * heights.mean()))
    layer.weight.mul_(scale)
    moved = (layer.weight * centre + layer.kernel() * float(middle)).sum((1, 2, 3))
    layer.weight.div_(factor)
    for each in layers:
        norm: Any = each.norm
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.fill_(factor)
        if each.bias is not None:
            each.bias.add_(moved)
        each.shifts.copy_(0.5 - factor * thresholds)
        each.heights.copy_(factor * heights)


def fit_staircase(values: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Thresholds `(count,)`, half the heights of the steps there, and the middle of the staircase nearest to `values`.

    Lloyd's and Max's quantiser of count + 1 levels (Max 1960): thresholds midway between levels, levels the means of
    what falls to them. It starts from evenly spaced levels, so that thresholds stay distinct.
    """
    ordered = values.double().sort().values
    sums = torch.cat([ordered.new_zeros(1), ordered.cumsum(0)])
    low, high = float(ordered[0]), float(ordered[int(0.999 * (len(ordered) - 1))])
    levels = torch.linspace(low, high if high > low else low + 1, count + 1, dtype=torch.float64)
    for _ in range(_ROUNDS):
        between = torch.searchsorted(ordered, (levels[1:] + levels[:-1]) / 2)
        edges = torch.cat([between.new_zeros(1), between, between.new_full((1,), len(ordered))])
        counts = edges.diff()
        levels = torch.where(counts > 0, sums[edges].diff() / counts.clamp_min(1), levels)
    return (levels[1:] + levels[:-1]) / 2, levels.diff() / 2, (levels[0] + levels[-1]) / 2
