"""A module that is an ONNX graph and nothing else."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from brinell.nn.onnx_graph.fake_quantized import FakeQuantized
from brinell.nn.onnx_graph.reading import parse
from brinell.nn.onnx_graph.session import open_stranger, run_session


class OnnxNetwork(nn.Module):
    """A graph's bytes as state, run by ONNX Runtime. It has no gradient; its `twin` has.

    The session is opened when first used and never stored: a copy, or another process, opens its own.
    """

    onnx: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("onnx", torch.empty(size, dtype=torch.uint8))
        self._session: Any = None

    @classmethod
    def of(cls, graph: bytes) -> OnnxNetwork:
        """The network of these bytes."""
        network = cls(len(graph))
        network.onnx = torch.frombuffer(bytearray(graph), dtype=torch.uint8)
        return network

    @property
    def graph(self) -> bytes:
        """The ONNX file's bytes."""
        return self.onnx.cpu().numpy().tobytes()

    def forward(self, images: Tensor) -> Tensor:
        """Images `(N, C, H, W)` in [0, 1] to logits, by ONNX Runtime on the processor."""
        if self._session is None:
            self._session = open_stranger(self.graph)
        return run_session(self._session, images)

    def fake_quantized(self) -> FakeQuantized:
        """The same function in PyTorch, differentiable."""
        return FakeQuantized(parse(self.graph))

    def __deepcopy__(self, memo: dict[int, Any]) -> OnnxNetwork:
        copied = type(self)(0)
        copied.onnx = self.onnx.clone()
        return copied.train(self.training)
