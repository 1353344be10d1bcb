"""What a whole network costs, by the definitions that reproduce BreakingBED's Table 1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any, Final

from torch import nn

from brinell.core import ConfigurationError
from brinell.costs.layers import layers
from brinell.nn import BinaryLayer
from brinell.nn.onnx_graph import OnnxNetwork

XNORS_PER_MAC: Final = 48
"""A DSP48 block does 48 XNORs a cycle. It does two 16-bit products as well, of which the paper's figures (section 4.1,
Table 1) count one."""


@dataclass(frozen=True)
class Costs:
    """Counts for one image. What a network takes on disk is not among them: that is its file's size."""

    weights: int
    """Of convolutions and linear layers: no biases, no batch norm."""
    parameters: int
    """All numbers that training set: weights (binary ones too), biases, scales, batch norm's two vectors."""
    nonzero: int
    """Weights that are not zero."""
    memory_mb: float
    """Nominal size of the weights in 10^6 bytes: 32 bits each, 8 in int8 networks, 1 a base in binary layers, whatever
    their values."""
    macs: int
    xnor_ops: int
    ncc: float
    """Normalised compute complexity: macs + xnor_ops / 48."""
    dense_bytes: int
    """4 bytes for every floating number of the network's state, as an uncompressed float32 file would hold."""

    def record(self) -> dict[str, float | int]:
        """The fields by name, for JSON."""
        return asdict(self)


def measure(model: Any, input_shape: Sequence[int] | None = None, *, sparse: bool = False) -> Costs:
    """Count what a module, or a `Variant`'s deployed one, costs for one image.

    Args:
        model: Module or `Variant`.
        input_shape: (channels, height, width); may be left out where the model says it itself.
        sparse: Zero weights take neither memory nor multiply-accumulates, as the papers count them; no format or
            processor is that good, for their positions have to be stored and skipped.

    Returns:
        The costs of one image.

    Raises:
        ConfigurationError: no `input_shape`, or a bad one.
        ModelError: the model does not accept such an image.

    Examples:
        >>> import brinell
        >>> costs = measure(brinell.models.build("resnet8"), (1, 8, 8))
        >>> costs.macs > costs.parameters
        True
    """
    shape = input_shape or getattr(model, "input_shape", None) or _architecture_shape(model)
    if shape is None:
        raise ConfigurationError("input_shape: missing; this model does not say it, give (channels, height, width)")
    module: nn.Module = model if isinstance(model, nn.Module) else model.deployed("reference")
    int8 = isinstance(module, OnnxNetwork)
    if isinstance(module, OnnxNetwork):
        module = module.fake_quantized()
    counted = layers(module, shape)
    held = {"float": 0, "binary": 0}
    for layer in counted:
        held[layer.kind] += (layer.nonzero if sparse else layer.weights) * layer.weight_bases
    macs = sum(layer.nonzero_macs if sparse else layer.macs for layer in counted)
    xnor_ops = sum(layer.xnor_ops for layer in counted)
    return Costs(
        weights=sum(layer.weights for layer in counted),
        parameters=_parameters(module),
        nonzero=sum(layer.nonzero for layer in counted),
        memory_mb=(held["float"] * (1 if int8 else 4) + held["binary"] / 8) / 1e6,
        macs=macs,
        xnor_ops=xnor_ops,
        ncc=macs + xnor_ops / XNORS_PER_MAC,
        dense_bytes=4 * _state(module),
    )


def _architecture_shape(model: Any) -> Sequence[int] | None:
    shape: Sequence[int] | None = getattr(getattr(model, "architecture", None), "input_shape", None)
    return shape


def _parameters(module: nn.Module) -> int:
    # A deployed binary layer keeps its bits and scales in buffers, for no optimiser may touch them.
    binary = [part for part in module.modules() if isinstance(part, BinaryLayer)]
    buffers = {id(tensor): tensor for part in binary for tensor in part.buffers(recurse=False)}
    return sum(tensor.numel() for tensor in chain(module.parameters(), buffers.values()))


def _state(module: nn.Module) -> int:
    names = module.state_dict().keys()
    tensors = chain(module.named_parameters(), module.named_buffers())
    return sum(tensor.numel() for name, tensor in tensors if name in names and tensor.is_floating_point())
