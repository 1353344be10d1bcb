"""What ONNX's operations are in PyTorch's operators."""

from __future__ import annotations

from typing import Final

from brinell.nn.graph.onnx_elementwise import VALUES
from brinell.nn.graph.onnx_layers import LAYERS
from brinell.nn.graph.onnx_shapes import SHAPES
from brinell.nn.graph.onnx_translation import Translate

TRANSLATED: Final[dict[str, Translate]] = {**LAYERS, **SHAPES, **VALUES}
"""By ONNX's names."""
