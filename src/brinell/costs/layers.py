"""What each layer costs, counted while one image passes through the network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import prod
from typing import Any, Final, Literal

import torch
from torch import Tensor, nn

from brinell.core import ConfigurationError, ModelError
from brinell.nn import BinaryLayer, frozen_evaluation, weight_identity

_TRANSPOSED: Final = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_COUNTED: Final = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear, BinaryLayer, *_TRANSPOSED)


@dataclass(frozen=True)
class LayerCost:
    """One convolution or linear layer, for one image; biases are not counted."""

    name: str
    kind: Literal["float", "binary"]
    weights: int
    """0 where another layer, counted before, holds the same weight (`shared_with`)."""
    nonzero: int
    macs: int
    """Multiply-accumulates, zero weights and padded cells included; 0 for a binary layer."""
    xnor_ops: int
    """What a binary layer computes instead: one XNOR a multiply-accumulate and pair of bases."""
    output_shape: tuple[int, ...]
    """Without the batch; empty for a layer that did not run."""
    weight_bases: int = 1
    """Bits a weight, in a binary layer."""
    nonzero_macs: int = 0
    """`macs` without those of zero weights: every weight of a layer takes part in equally many."""
    shared_with: str | None = None
    """The layer that the weights are counted in, where that is another one."""


def layers(module: nn.Module, input_shape: Sequence[int]) -> tuple[LayerCost, ...]:
    """The convolutions and linear layers of `module` in order of execution, counted on one image of zeros.

    A layer that runs twice has its operations counted twice and its weights once; so has a weight that two layers hold,
    in the first of them that runs. A layer that does not run in evaluation mode comes last, with weights and without
    operations. Multiplications outside such layers (batch norm, functional
    calls in a user's own `forward`) are not counted. The module's modes come back as they were.

    Args:
        module: Network from images to logits.
        input_shape: (channels, height, width) of one image.

    Returns:
        One entry a layer.

    Raises:
        ConfigurationError: `input_shape` is not (channels, height, width).
        ModelError: the module does not accept such an image.

    Examples:
        >>> import brinell
        >>> found = layers(brinell.models.build("resnet8"), (1, 8, 8))
        >>> found[-1].name, found[-1].macs
        ('model.linear', 640)
    """
    shape = tuple(input_shape)
    if len(shape) != 3 or not all(isinstance(size, int) and size > 0 for size in shape):
        raise ConfigurationError(f"input_shape: expected (channels, height, width), not {input_shape!r}")
    counted = {name: part for name, part in module.named_modules() if isinstance(part, _COUNTED)}
    found: dict[str, LayerCost] = {}
    handles = [part.register_forward_hook(partial(_count, found, name)) for name, part in counted.items()]
    try:
        with frozen_evaluation(module), torch.inference_mode():
            module(_blank(module, shape))
    except (RuntimeError, ValueError, IndexError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ModelError(f"input_shape: the model does not accept one image of shape {shape}: {reason}") from error
    finally:
        for handle in handles:
            handle.remove()
    idle = [_weights(name, part) for name, part in counted.items() if name not in found]
    return _each_weight_once((*found.values(), *idle), counted)


def _each_weight_once(layers: Sequence[LayerCost], parts: Mapping[str, nn.Module]) -> tuple[LayerCost, ...]:
    first: dict[int, str] = {}
    owners = [first.setdefault(id(weight_identity(parts[layer.name])), layer.name) for layer in layers]
    return tuple(
        layer if owner == layer.name else replace(layer, weights=0, nonzero=0, shared_with=owner)
        for layer, owner in zip(layers, owners, strict=True)
    )


def _blank(module: nn.Module, shape: tuple[int, ...]) -> Tensor:
    like = next((tensor for tensor in module.parameters() if tensor.is_floating_point()), torch.empty(0))
    return torch.zeros(1, *shape, dtype=like.dtype, device=like.device)


def _weights(name: str, part: Any) -> LayerCost:
    if isinstance(part, BinaryLayer):
        count = prod(part.weight_shape)
        return LayerCost(name, "binary", count, count, 0, 0, (), part.weight_bases)
    weight: Tensor = part.weight.detach()
    return LayerCost(name, "float", weight.numel(), int(weight.count_nonzero()), 0, 0, ())


def _count(found: dict[str, LayerCost], name: str, part: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
    # A row of the weight meets every output number once; in a transposed convolution, every input number.
    met = inputs[0] if isinstance(part, _TRANSPOSED) else output
    before = found.get(name) or _weights(name, part)
    rows = part.weight_shape[0] if isinstance(part, BinaryLayer) else part.weight.shape[0]
    operations = met.numel() * (before.weights // rows)
    pairs = part.weight_bases * part.activation_bases if isinstance(part, BinaryLayer) else 0
    found[name] = replace(
        before,
        macs=before.macs + (0 if pairs else operations),
        nonzero_macs=before.nonzero_macs + (0 if pairs else operations // max(before.weights, 1) * before.nonzero),
        xnor_ops=before.xnor_ops + pairs * operations,
        output_shape=tuple(output.shape[1:]),
    )
