"""The network as PyTorch computes it: what all other runtimes are compared with."""

from __future__ import annotations

from torch import nn

from brinell.runtimes.runtime import Runtime


class Reference(Runtime):
    """PyTorch, and ONNX Runtime for an int8 network, whose tensors are an ONNX graph.

    Examples:
        >>> import brinell, torch
        >>> model = brinell.models.build("resnet8", width=4)
        >>> variant = brinell.variants.Variant.of(model, input_shape=(1, 8, 8), classes=10)
        >>> variant.deployed(runtime="reference")(torch.rand(2, 1, 8, 8)).shape
        torch.Size([2, 10])
    """

    kind = "reference"

    def compile(self, module: nn.Module, input_shape: tuple[int, ...]) -> nn.Module:
        """The module itself."""
        return module
