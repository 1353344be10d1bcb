"""A graph in the making: PyTorch's operators for ONNX's nodes, with the shapes of their results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import torch
from torch import Tensor, nn

from brinell.core import ModelError
from brinell.nn.graph.naming import name_tensors, tensor_specs
from brinell.nn.graph.network_graph import DTYPES, GraphNode, NetworkGraph
from brinell.nn.graph.operators import OPERATORS
from brinell.nn.onnx_graph import Graph, Node

_BATCH: Final = 61
"""Images of the batch on which shapes are computed: a prime that no network has elsewhere, so that it is recognised."""


class Translation:
    """A graph in the making: operators so far, with the shape of each result."""

    def __init__(self, source: Graph) -> None:
        self.source = source
        self.nodes: list[GraphNode] = []
        self.results: list[Any] = [torch.empty(_BATCH, *source.input_shape, device="meta")]
        self.values: dict[str, Any] = {source.input: {"value": 0}}
        self.constants: dict[str, Tensor] = dict(source.constants)
        self.tensors: dict[str, Tensor] = {}

    def call(self, operator: str, *arguments: Any, **keywords: Any) -> dict[str, int]:
        """Add an operator; what it returns is referred to by the result."""
        known = {name: self._shapes(value) for name, value in keywords.items()}
        self.results.append(OPERATORS[operator](*(self._shapes(value) for value in arguments), **known))
        self.nodes.append(GraphNode(operator, tuple(arguments), dict(keywords)))
        return {"value": len(self.nodes)}

    def dropout(self, x: dict[str, int], share: float) -> dict[str, int]:
        """Add a layer that drops a share of its input in training."""
        self.results.append(self._shapes(x))
        self.nodes.append(GraphNode("dropout", (x, float(share), False)))
        return {"value": len(self.nodes)}

    def _shapes(self, argument: Any) -> Any:
        if isinstance(argument, dict):
            if "value" in argument:
                return self.results[argument["value"]]
            if "tensor" in argument:
                return self.tensors[argument["tensor"]].to("meta")
            return _BATCH if "images" in argument else DTYPES[argument["dtype"]]
        return [self._shapes(part) for part in argument] if isinstance(argument, list) else argument

    def shape(self, name: str) -> list[int]:
        """Of a value or constant."""
        return list(self.constants[name].shape if name in self.constants else self._shapes(self.values[name]).shape)

    def operand(self, name: str, *, trained: bool = False) -> Any:
        """What an operator is given: an earlier result, a number, or a tensor of the state."""
        if name in self.values:
            return self.values[name]
        value = self.constants[name]
        if value.numel() == 1 and value.dim() == 0 and not trained:
            return value.item()
        return self.tensor(name, value, trained=trained)

    def tensor(self, name: str, value: Tensor, *, trained: bool = True) -> dict[str, str]:
        """Add a tensor to the state."""
        value = value.detach().clone().contiguous()
        if trained and value.is_floating_point():
            value = nn.Parameter(value)
        self.tensors[name] = value
        return {"tensor": name}

    def constant(self, name: str) -> Tensor:
        """A value that does not depend on the images.

        Raises:
            ModelError: it does.
        """
        if name not in self.constants:
            raise ModelError(f"onnx: {name!r} depends on the images, where a constant is needed")
        return self.constants[name]

    def integers(self, name: str) -> list[int]:
        """As `constant`, for sizes, axes and the like."""
        return [int(number) for number in self.constant(name).reshape(-1).tolist()]

    def sizes(self, given: Sequence[int], images: bool) -> list[Any]:
        """Sizes for any number of images; `images`: the first one is their number, of which the file may know one."""
        sizes: list[Any] = list(given)
        known = {_BATCH, self.source.batch} if images else {_BATCH}
        if sizes and sizes[0] in known:
            sizes[0] = {"images": 1}
        for place, size in enumerate(sizes):
            if isinstance(size, int) and size > 0 and size % _BATCH == 0:
                if -1 in sizes:
                    raise ModelError("onnx: a shape depends on the number of images twice")
                sizes[place] = -1
        return sizes

    def network(self) -> tuple[NetworkGraph, dict[str, Tensor]]:
        """The graph and its tensors."""
        output = self.values.get(self.source.output, {"value": 0})
        nodes, tensors = name_tensors(self.nodes, self.tensors)
        graph = NetworkGraph(nodes, tensor_specs(tensors), output["value"], self.source.input_shape)
        graph.check()
        return graph, tensors


Translate = Callable[[Translation, Node], Any]
"""Adds what a node computes, and returns the result, or a list of them."""


def node_input_name(node: Node, place: int) -> str:
    """The name of an input, empty where it is left out."""
    return node.inputs[place] if place < len(node.inputs) else ""
