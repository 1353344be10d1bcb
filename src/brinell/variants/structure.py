"""Changes of a network's modules that a file's header can repeat on a fresh one before its tensors are loaded."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from brinell.core import Registry
from brinell.variants.abc_layers import ABCLayers
from brinell.variants.binary_layers import BinaryLayers
from brinell.variants.change import Change
from brinell.variants.narrower import Narrower
from brinell.variants.onnx_graph import OnnxGraph

CHANGES: Registry[Change] = Registry("structural change", BinaryLayers, ABCLayers, Narrower, OnnxGraph)


def rebuild(module: nn.Module, structure: Iterable[Change], *, latent: bool = False) -> nn.Module:
    """Apply `structure` to a freshly built `module`, in place where no change replaces the whole of it."""
    for change in structure:
        module = change.apply(module, latent=latent) or module
    return module
