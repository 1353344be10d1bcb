"""What is left of a network, counted anew from the module that ships: none of the code that planned it is asked."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor, nn

from brinell import container
from brinell.compressors.checks.float_layers import FLOAT_LAYERS
from brinell.core import ModelError
from brinell.nn import frozen_evaluation
from brinell.variants import Variant

_TRANSPOSED: Final = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_ROUNDING: Final = 1e-3
"""Of a budget, which is spent in whole units."""


class NonzeroCount(NamedTuple):
    """Weights that are not zero, of all of them."""

    nonzero: int
    weights: int

    @property
    def share(self) -> float:
        """The one over the other."""
        return self.nonzero / max(self.weights, 1)


def count_nonzero(module: nn.Module) -> Mapping[str, NonzeroCount]:
    """By layer, convolutions and linear layers with float weights; a weight that several layers hold in the first."""
    seen: set[int] = set()
    counts: dict[str, NonzeroCount] = {}
    for name, layer in module.named_modules():
        if isinstance(layer, FLOAT_LAYERS) and layer.weight.data_ptr() not in seen:
            seen.add(layer.weight.data_ptr())
            counts[name] = NonzeroCount(int((layer.weight.detach() != 0).sum()), layer.weight.numel())
    return counts


def sum_counts(counts: Iterable[NonzeroCount]) -> NonzeroCount:
    """All layers together."""
    known = list(counts)
    return NonzeroCount(sum(each.nonzero for each in known), sum(each.weights for each in known))


def count_macs(module: nn.Module, input_shape: tuple[int, int, int]) -> int:
    """Multiply-accumulates with weights that are not zero, of one image: those of every call of every layer."""
    total = 0

    def count(layer: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        nonlocal total
        weight = weights[layer]  # in the middle of `torch.func.functional_call` the layer has another
        if isinstance(layer, _TRANSPOSED):
            uses = inputs[0].numel() // weight.shape[0]
        else:
            uses = output.numel() // weight.shape[0]
        total += uses * int((weight.detach() != 0).sum())

    weights: dict[nn.Module, Tensor] = {
        layer: layer.weight for layer in module.modules() if isinstance(layer, FLOAT_LAYERS)
    }
    hooks = [layer.register_forward_hook(count) for layer in weights]
    parameter = next(module.parameters())
    image = torch.zeros(1, *input_shape, dtype=parameter.dtype, device=parameter.device)
    try:
        with frozen_evaluation(module), torch.no_grad():
            module(image)
    finally:
        for hook in hooks:
            hook.remove()
    return total


def count_bytes(variant: Variant) -> int:
    """Bytes of the variant's file without its history, written with little effort."""
    with tempfile.TemporaryDirectory() as folder:
        return container.write(replace(variant, lineage=()), Path(folder) / "counted.brinell", effort="fast")


def require_at_most(where: str, found: float, share: float, *, slack: float = 0.0) -> None:
    """Refuse a share `found` above the one that was asked for.

    Raises:
        ModelError: the two shares.
    """
    if found > share * (1 + _ROUNDING) + slack:
        raise ModelError(f"{where}: {share:.4g} was to be left, and {found:.4g} is")


def require_at_least(where: str, found: float, share: float) -> None:
    """Refuse a share `found` clearly under the one that was planned: more was taken away than was asked for.

    Raises:
        ModelError: the two shares.
    """
    if found < share * 0.98:
        raise ModelError(f"{where}: {share:.4g} was to be left, and only {found:.4g} is")
