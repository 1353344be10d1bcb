"""The layers that compressors work on: convolutions and linear layers, and their weights."""

from __future__ import annotations

from typing import Final

from torch import Tensor, nn

from brinell.core import ModelError
from brinell.nn import frozen_names

FLOAT_LAYERS: Final = (
    nn.Conv1d,
    nn.Conv2d,
    nn.Conv3d,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
    nn.Linear,
)


def float_weights(module: nn.Module) -> dict[str, Tensor]:
    """The weights of convolutions and linear layers by the name of their layer; a shared one under its first.

    Raises:
        ModelError: there is none, or a weight is no parameter: it would be computed anew from others.
    """
    found: dict[str, Tensor] = {}
    for name, layer in module.named_modules():
        if not isinstance(layer, FLOAT_LAYERS) or any(layer.weight is weight for weight in found.values()):
            continue
        if not isinstance(layer.weight, nn.Parameter):
            raise ModelError(
                f"{name}.weight is no parameter of the network: something (a hook, the forward pass) computes it from "
                "other tensors; make it one, or compute it by torch.nn.utils.parametrize"
            )
        found[name] = layer.weight
    if not found:
        raise ModelError(f"{type(module).__name__} has no convolution or linear layer with float weights")
    return found


def trainable_weights(module: nn.Module) -> dict[str, Tensor]:
    """`float_weights` without those that are frozen.

    Raises:
        ModelError: none is left.
    """
    frozen = bool(frozen_names(module))
    found = {name: weight for name, weight in float_weights(module).items() if weight.requires_grad or not frozen}
    if not found:
        raise ModelError(f"{type(module).__name__}: all its convolutions and linear layers are frozen")
    return found
