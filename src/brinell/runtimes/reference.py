"""The network as PyTorch computes it: what all other runtimes are compared with."""

from __future__ import annotations

from torch import nn

from brinell.runtimes.runtime import Runtime


class Reference(Runtime):
    """PyTorch, and ONNX Runtime for an int8 network, whose tensors are an ONNX graph."""

    kind = "reference"

    def compile(self, module: nn.Module, input_shape: tuple[int, ...]) -> nn.Module:
        """The module itself."""
        return module
