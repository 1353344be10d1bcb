"""An ONNX graph in place of the whole network."""

from __future__ import annotations

from pydantic import Field
from torch import nn

from brinell.nn.onnx_graph import OnnxNetwork
from brinell.variants.structure_change import StructureChange


class OnnxGraph(StructureChange):
    """The network is no longer built of PyTorch's layers: it ships as a graph of so many bytes for ONNX Runtime."""

    kind = "onnx_graph"

    size: int = Field(ge=1)

    def apply(self, module: nn.Module, *, latent: bool) -> nn.Module:
        """The graph's own module; its bytes are the variant's only tensor."""
        return OnnxNetwork(self.size)
