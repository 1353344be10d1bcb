"""A network's graph as data: what is computed, in order, by PyTorch's own operators; its tensors lie elsewhere."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import torch

from brinell.core import ModelError

MOST_NODES: Final = 1 << 16

DTYPES: Final = {
    name: getattr(torch, name)
    for name in ("float32", "float64", "float16", "bfloat16", "int64", "int32", "uint8", "bool")
}


@dataclass(frozen=True)
class GraphNode:
    """One operator, such as `conv2d` or `add.Tensor`, on arguments that are plain JSON.

    `{"value": 3}` is the third node's result (0: the images), `{"tensor": "conv1.weight"}` a tensor of the state,
    `{"images": 1}` how many images there are, `{"dtype": "float32"}` a type. Everything else stands for itself.
    """

    operator: str
    arguments: tuple[Any, ...]
    keywords: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TensorSpec:
    """Shape and type of a tensor of the state; `trained`: whether it is a parameter."""

    shape: tuple[int, ...]
    dtype: str
    trained: bool


@dataclass(frozen=True)
class NetworkGraph:
    """A classifier from images `(N, channels, height, width)` to logits, without its weights."""

    nodes: tuple[GraphNode, ...]
    tensors: Mapping[str, TensorSpec]
    output: int
    input_shape: tuple[int, int, int]

    def to_json(self) -> dict[str, Any]:
        """What `from_json` reads back."""
        return {
            "nodes": [[node.operator, list(node.arguments), dict(node.keywords)] for node in self.nodes],
            "tensors": {name: [list(kind.shape), kind.dtype, kind.trained] for name, kind in self.tensors.items()},
            "output": self.output,
            "input_shape": list(self.input_shape),
        }

    @classmethod
    def from_json(cls, config: Any) -> NetworkGraph:
        """A graph that may come from anywhere; `GraphNetwork` checks its operators.

        Raises:
            ModelError: it is none, or a reference leads nowhere.
        """
        try:
            nodes = tuple(GraphNode(str(name), tuple(given), dict(named)) for name, given, named in config["nodes"])
            tensors = {str(name): _tensor_kind(*parts) for name, parts in config["tensors"].items()}
            channels, height, width = map(int, config["input_shape"])
            graph = cls(nodes, tensors, int(config["output"]), (channels, height, width))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ModelError(f"graph: it is damaged ({type(error).__name__}: {error})") from None
        graph.check()
        return graph

    def check(self) -> None:
        """Refuse references that lead nowhere.

        Raises:
            ModelError: a node refers to a later one, or to a tensor that there is not.
        """
        if len(self.nodes) > MOST_NODES:
            raise ModelError(f"graph: {len(self.nodes)} operators; at most {MOST_NODES} are accepted")
        if min(self.input_shape) < 1 or math.prod(self.input_shape) > 1 << 24:
            raise ModelError(f"graph: images of {self.input_shape} are not accepted")
        for place, node in enumerate(self.nodes):
            for reference in references([node.arguments, list(node.keywords.values())]):
                if "value" in reference and not (type(reference["value"]) is int and 0 <= reference["value"] <= place):
                    raise ModelError(f"graph: {node.operator} needs {reference}, which nothing before it computes")
                if "tensor" in reference and reference["tensor"] not in self.tensors:
                    raise ModelError(f"graph: {node.operator} needs the tensor {reference['tensor']!r}; there is none")
        if not 1 <= self.output <= len(self.nodes):
            raise ModelError("graph: the output does not depend on the images")


def _tensor_kind(shape: Sequence[int], dtype: str, trained: bool) -> TensorSpec:
    sides = tuple(map(int, shape))
    if dtype not in DTYPES or any(side < 0 for side in sides) or math.prod(sides) > 1 << 32:
        raise ValueError(f"a tensor of {shape} and {dtype!r}")
    return TensorSpec(sides, dtype, bool(trained))


def references(argument: Any) -> list[dict[str, Any]]:
    """The mappings in an argument, at any depth."""
    if isinstance(argument, Mapping):
        return [dict(argument)]
    if isinstance(argument, (list, tuple)):
        return [reference for part in argument for reference in references(part)]
    return []
