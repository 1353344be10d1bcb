"""Changes of a network's modules that a file's header can repeat on a fresh one before its tensors are loaded."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from brinell.core import Registry
from brinell.variants.abc_layers import ABCLayers
from brinell.variants.binary_layers import BinaryLayers
from brinell.variants.onnx_graph import OnnxGraph
from brinell.variants.pruned_channels import PrunedChannels
from brinell.variants.structure_change import StructureChange

CHANGES: Registry[StructureChange] = Registry("structural change", BinaryLayers, ABCLayers, PrunedChannels, OnnxGraph)


def rebuild(module: nn.Module, structure: Iterable[StructureChange], *, latent: bool = False) -> nn.Module:
    """Apply `structure` to a freshly built `module`, in place where no change replaces the whole of it.

    Args:
        module: As its architecture builds it; changed in place.
        structure: Changes in the order in which they were made.
        latent: Make layers as they are trained, not as they ship.

    Returns:
        The changed module.

    Examples:
        >>> from torch import nn
        >>> network = nn.Linear(2, 2)
        >>> rebuild(network, ()) is network
        True
    """
    for change in structure:
        module = change.apply(module, latent=latent) or module
    return module
