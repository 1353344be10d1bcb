"""An ONNX graph run in PyTorch: what a white-box attacker of a quantised network looks at."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import torch
from torch import Tensor, nn

from brinell.core import ModelError
from brinell.nn.onnx_graph.node import Node
from brinell.nn.onnx_graph.operations import OPERATIONS
from brinell.nn.onnx_graph.reading import Graph

LARGEST: Final = 1 << 28
"""Numbers that all values for one image may have in sum."""

_STRUCTURAL: Final = 1 << 12
"""Whole numbers that a shape, axes or the like may have."""


class FakeQuantized(nn.Module):
    """The function of a graph, with gradients: quantisation rounds forwards, and lets gradients straight through.

    Convolutions and products with constant weights are PyTorch's own layers, dequantised, so that their costs are
    counted as everybody's. Nothing is trained: the graph is all there is.
    """

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        check_shapes(graph)
        self.input, self.output = graph.input, graph.output
        known = dict(graph.constants)
        self.layers = nn.ModuleDict()
        self.steps: list[Node] = []
        for node in graph.nodes:
            if all(name in known for name in node.inputs if name):
                known[node.outputs[0]] = _compute(node, [known.get(name) for name in node.inputs])
                continue
            self.steps.append(node)
            layer = _layer(node, known)
            if layer is not None:
                self.layers[str(len(self.steps) - 1)] = layer
        used = {name for node in self.steps for name in node.inputs}
        self.constants = {name: value for name, value in known.items() if name in used}
        last = {name: at for at, node in enumerate(self.steps) for name in node.inputs}
        self.spent = [
            [name for name in node.inputs if last[name] == at and name not in known and name != self.output]
            for at, node in enumerate(self.steps)
        ]
        if self.output in known or not self.steps:
            raise ModelError("onnx: the output does not depend on the input")

    def forward(self, images: Tensor) -> Tensor:
        """Images `(N, C, H, W)` in [0, 1] to logits."""
        values: dict[str, Tensor] = {self.input: images}
        for at, node in enumerate(self.steps):
            if str(at) in self.layers:
                values[node.outputs[0]] = self.layers[str(at)](values[node.inputs[0]])
            else:
                inputs = [values.get(name, self.constants.get(name)) for name in node.inputs]
                values[node.outputs[0]] = _compute(node, inputs)
            for name in self.spent[at]:
                values.pop(name, None)
        return values[self.output]

    def _apply(self, function: Callable[[Tensor], Tensor], recurse: bool = True) -> FakeQuantized:
        """Constants move along; they are no buffers, for they are neither state nor to be counted."""
        super()._apply(function, recurse)  # type: ignore[no-untyped-call]
        for name, value in self.constants.items():
            if value.is_floating_point() or value.dtype in (torch.int8, torch.uint8):
                self.constants[name] = function(value)
        return self


def check_shapes(graph: Graph, images: int = 1) -> int:
    """The number of all values that the graph has for so many images; it is run on shapes alone.

    Args:
        graph: Of `parse`.
        images: How many a pass takes.

    Returns:
        A number of values, for `check_growth`.

    Raises:
        ModelError: an operation does not fit its inputs, or all values together would be too large.
    """
    total = 0
    values: dict[str, Tensor] = {graph.input: torch.empty(images, *graph.input_shape, device="meta")}
    for name, value in graph.constants.items():
        values[name] = value if _structural(value) else value.to("meta")
    for node in graph.nodes:
        out = _compute(node, [values.get(name) for name in node.inputs])
        if not out.is_meta and not _structural(out):
            out = out.to("meta")
        values[node.outputs[0]] = out
        total += out.numel()
        if total > LARGEST * images or (not out.is_meta and out.numel() > _STRUCTURAL):
            raise ModelError(f"onnx: the values of one image have more than {LARGEST} numbers")
    if graph.output not in values:
        raise ModelError(f"onnx: nothing computes the output {graph.output!r}")
    return total


def _structural(value: Tensor) -> bool:
    return value.dtype == torch.int64 and value.numel() <= _STRUCTURAL


def _compute(node: Node, inputs: Iterable[Tensor | None]) -> Tensor:
    given = list(inputs)
    for name, value in zip(node.inputs, given, strict=True):
        if name and value is None:
            raise ModelError(f"onnx: {node.name!r} needs {name!r}, which nothing before it computes")
    try:
        return OPERATIONS[node.operation](node, *given)
    except (RuntimeError, ValueError, TypeError, IndexError, KeyError, NotImplementedError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(f"onnx: {node.operation} {node.name!r} cannot be computed: {reason}") from None


def _layer(node: Node, known: dict[str, Tensor]) -> nn.Module | None:
    """PyTorch's layer for a convolution or product whose weights are constants."""
    get = node.attributes.get
    rest = [known.get(name) for name in node.inputs[1:]]
    if not rest or rest[0] is None or (len(rest) > 1 and rest[1] is None):
        return None
    weight, bias = rest[0], rest[1] if len(rest) > 1 else None
    if node.operation == "Conv" and weight.dim() == 4:
        pads = get("pads", [0] * 4)
        if pads[:2] != pads[2:] or get("auto_pad", b"NOTSET") != b"NOTSET":
            return None
        groups, (out, inside, *kernel) = get("group", 1), weight.shape
        options = {"stride": get("strides", [1, 1]), "padding": pads[:2], "dilation": get("dilations", [1, 1])}
        layer: nn.Module = nn.utils.skip_init(
            nn.Conv2d, inside * groups, out, tuple(kernel), groups=groups, bias=bias is not None, **options
        )
    elif node.operation == "Gemm" and not get("transA", 0) and get("alpha", 1.0) == get("beta", 1.0) == 1.0:
        weight = weight if get("transB", 0) else weight.T
        layer = nn.utils.skip_init(nn.Linear, weight.shape[1], weight.shape[0], bias=bias is not None)
    else:
        return None
    state = {"weight": weight} if bias is None else {"weight": weight, "bias": bias.expand(weight.shape[0])}
    layer.load_state_dict(state)
    return layer
