"""Statistics of batch norms, estimated anew for the network as evaluation mode runs it."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from brinell.nn import frozen_evaluation, has_frozen_statistics


def recalibrate(module: nn.Module, batches: Iterable[Tensor], frozen: Collection[str] = ()) -> int:
    """Set the running statistics of all batch norms to those of their inputs over `batches`.

    The layers are set one by one in the order of evaluation, so that each sees inputs computed with the new statistics
    of the layers before it, as in the deployed network. The running averages of training differ: each batch was
    normalised by its own statistics, and by weights that have changed since. With binary activations such a difference
    flips signs, and accuracy may change by tens of points between epochs. Layers without running statistics, and
    frozen ones, are not changed.

    Args:
        module: The network, changed in place.
        batches: Images `(N, C, H, W)` on the device of the module.
        frozen: Names of batch norms that are not changed.

    Returns:
        The number of layers that were set.

    Examples:
        >>> import brinell, torch
        >>> recalibrate(brinell.models.build("resnet8", width=4), [torch.rand(8, 1, 8, 8)])
        7
    """
    images = list(batches)
    kept = {layer for name, layer in module.named_modules() if name in frozen}
    with frozen_evaluation(module), torch.inference_mode():
        calls = _calls(module, images[0][:2])
    chosen = [(layer, count) for layer, count in calls.items() if layer not in kept and _learns(layer)]
    for layer, count in chosen:
        with frozen_evaluation(module), torch.inference_mode():
            mean, variance = _moments(module, layer, count, images)
        layer.get_buffer("running_mean").copy_(mean)
        layer.get_buffer("running_var").copy_(variance)
    return len(chosen)


class _Seen(Exception):  # noqa: N818 - it is no error
    """Nothing after this layer is of interest."""


def _learns(layer: _BatchNorm) -> bool:
    return layer.running_mean is not None and not has_frozen_statistics(layer)


def _calls(module: nn.Module, images: Tensor) -> dict[_BatchNorm, int]:
    """How often each batch norm runs in one pass, in the order of their first runs."""
    calls: dict[_BatchNorm, int] = {}

    def count(layer: _BatchNorm, _: tuple[Tensor, ...]) -> None:
        calls[layer] = calls.get(layer, 0) + 1

    hooks = [layer.register_forward_pre_hook(count) for layer in module.modules() if isinstance(layer, _BatchNorm)]
    try:
        module(images)
    finally:
        for hook in hooks:
            hook.remove()
    return calls


def _moments(module: nn.Module, layer: _BatchNorm, calls: int, batches: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean and unbiased variance of a layer's inputs, a channel each."""
    sums, squares, counts, left = [], [], [], 0

    def look(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        nonlocal left
        values = inputs[0].transpose(0, 1).flatten(1).double()
        sums.append(values.sum(1))
        squares.append(values.square().sum(1))
        counts.append(values.shape[1])
        left -= 1
        if not left:
            raise _Seen

    hook = layer.register_forward_pre_hook(look)
    try:
        for images in batches:
            left = calls
            try:
                module(images)
            except _Seen:
                continue
    finally:
        hook.remove()
    count = sum(counts)
    mean = torch.stack(sums).sum(0) / count
    variance = (torch.stack(squares).sum(0) / count - mean.square()).clamp_min(0.0) * (count / max(count - 1, 1))
    return mean, variance
