"""A module that computes a graph: convolutions, linear layers and batch norms are PyTorch's own layers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import torch
from torch import Tensor, nn

from brinell.core import ModelError
from brinell.nn.batch_growth import BATCHES, check_growth
from brinell.nn.graph.module_names import add_layer, find_tensor, register_tensor
from brinell.nn.graph.network_graph import DTYPES, GraphNode, NetworkGraph, references
from brinell.nn.graph.node_layers import FEATURE_NORM, LAYERS
from brinell.nn.graph.operators import DROPOUT, OPERATORS

LARGEST: Final = 1 << 28
"""Numbers that all values for one image may have in sum."""


class GraphNetwork(nn.Module):
    """The function of a graph; its state has the names that the graph gives its tensors.

    It trains, is traced and is compressed as a network written by hand. Nothing in the graph is executed but the
    operators in `OPERATORS`.

    Raises:
        ModelError: operators are unknown (all are named), arguments do not fit, or values would be too large.
    """

    def __init__(self, graph: NetworkGraph) -> None:
        super().__init__()
        graph.check()
        check_operators(node.operator for node in graph.nodes)
        self.graph = graph
        self._layers: dict[int, str] = {}
        built: dict[str, GraphNode] = {}
        for place, node in enumerate(graph.nodes):
            path = self._build_layer(place, node, built)
            if path is not None:
                self._layers[place] = path
        for name, kind in graph.tensors.items():
            register_tensor(self, name, torch.zeros(kind.shape, dtype=DTYPES[kind.dtype]), kind.trained)
        last: dict[int, int] = {graph.output: len(graph.nodes)}
        for place, node in enumerate(graph.nodes):
            for reference in references([node.arguments, list(node.keywords.values())]):
                value = 0 if "images" in reference else reference.get("value", graph.output)
                if value != graph.output:
                    last[value] = place
        self._spent: list[list[int]] = [[] for _ in graph.nodes]
        for value, place in last.items():
            if place < len(graph.nodes):
                self._spent[place].append(value)

    def forward(self, images: Tensor) -> Tensor:
        """Images `(N, C, H, W)` to logits `(N, classes)`."""
        values: list[Any] = [images] + [None] * len(self.graph.nodes)
        for place, node in enumerate(self.graph.nodes):
            values[place + 1] = self.compute(place, node, values)
            for value in self._spent[place]:
                values[value] = None
        logits: Tensor = values[self.graph.output]
        return logits

    def compute(self, place: int, node: GraphNode, values: list[Any]) -> Any:
        """The result of one node."""
        if place in self._layers:
            return self.get_submodule(self._layers[place])(values[node.arguments[0]["value"]])
        if node.operator in DROPOUT:
            return values[node.arguments[0]["value"]]
        arguments = [self._resolved(argument, values) for argument in node.arguments]
        keywords = {name: self._resolved(argument, values) for name, argument in node.keywords.items()}
        name = "batch_norm" if node.operator == FEATURE_NORM else node.operator
        return OPERATORS[name](*arguments, **keywords)

    def _resolved(self, argument: Any, values: list[Any]) -> Any:
        if isinstance(argument, Mapping):
            if "value" in argument:
                return values[argument["value"]]
            if "tensor" in argument:
                return find_tensor(self, argument["tensor"])
            if "images" in argument:
                return values[0].shape[0]
            return DTYPES[argument["dtype"]]
        if isinstance(argument, (list, tuple)):
            return [self._resolved(part, values) for part in argument]
        return argument

    def _build_layer(self, place: int, node: GraphNode, built: dict[str, GraphNode]) -> str | None:
        """The name of the layer that computes the node; a second layer of the same tensors is the first one."""
        if node.operator == "dropout":
            path = f"dropout_{place}"
            add_layer(self, path, nn.Dropout(float(node.arguments[1])))
            return path
        builder = LAYERS.get(node.operator)
        found = None if builder is None else builder(node, self.graph)
        if found is None:
            return None
        path, layer = found
        if path in built:
            return (
                path
                if built[path].arguments[1:] == node.arguments[1:] and built[path].keywords == node.keywords
                else None
            )
        built[path] = node
        add_layer(self, path, layer)
        return path


def check_operators(names: Iterable[str]) -> None:
    """Refuse operators that are not known.

    Raises:
        ModelError: the names of all of them.
    """
    unknown = sorted({name for name in names if name not in OPERATORS and name not in (*DROPOUT, FEATURE_NORM)})
    if unknown:
        raise ModelError(f"graph: unknown operators {', '.join(unknown)}; known: {', '.join(sorted(OPERATORS))}")


def count_classes(graph: NetworkGraph) -> int:
    """The number of logits, found on shapes alone.

    Args:
        graph: As read from a file; its tensors have shapes only.

    Returns:
        At least 1.

    Raises:
        ModelError: an operator is unknown or does not fit its arguments, the values of one image are too large, or the
            output is no batch of logits.

    Examples:
        >>> node = GraphNode("mean.dim", ({"value": 0}, [2, 3]))  # of the images, over their sides
        >>> count_classes(NetworkGraph((node,), {}, output=1, input_shape=(3, 8, 8)))
        3
    """
    with torch.device("meta"):
        network = GraphNetwork(graph).eval()
        computed = {images: _compute_shapes(network, images) for images in BATCHES}
    for images, (shape, _) in computed.items():
        if len(shape) != 2 or shape[0] != images:
            raise ModelError(f"graph: expected logits (images, classes) for a batch of {images}, found {tuple(shape)}")
    check_growth({images: total for images, (_, total) in computed.items()}, "graph")
    return computed[1][0][1]


def _compute_shapes(network: GraphNetwork, images: int) -> tuple[torch.Size, int]:
    """The logits' shape, and the number of all values."""
    values: list[Any] = [torch.empty(images, *network.graph.input_shape)]
    total = 0
    for place, node in enumerate(network.graph.nodes):
        try:
            values.append(network.compute(place, node, values))
        except Exception as error:  # operators raise whatever they meet
            reason = " ".join(str(error).split())[:300]
            raise ModelError(f"graph: {node.operator} does not accept a batch of {images}: {reason}") from None
        total += sum(part.numel() for part in _tensors(values[-1]))
        if total > LARGEST * images:
            raise ModelError(f"graph: the values of one image have more than {LARGEST} numbers")
    logits = values[network.graph.output]
    if not isinstance(logits, Tensor):
        raise ModelError(f"graph: expected logits, found {type(logits).__name__}")
    return logits.shape, total


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, (list, tuple)):
        return [part for item in value for part in _tensors(item)]
    return [value] if isinstance(value, Tensor) else []
