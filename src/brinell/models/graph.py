"""A network that was read from a file as a graph: an architecture that is data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Self

from pydantic import Field, model_validator
from torch import Tensor, nn

from brinell.core import BrinellError
from brinell.models.architecture import Architecture
from brinell.models.normalized import Normalized
from brinell.nn import freeze
from brinell.nn.graph import GraphNetwork, NetworkGraph, count_classes


class GraphArchitecture(Architecture):
    """Any network of known operators, as `.pt2` and `.onnx` files hold it; its weights are the state of the module.

    What it may contain is checked when it is parsed: a graph may come from anywhere.

    Examples:
        >>> from brinell.nn.graph import GraphNode, NetworkGraph
        >>> node = GraphNode("mean.dim", ({"value": 0}, [2, 3]))  # of the images, over their sides
        >>> graph = NetworkGraph((node,), {}, output=1, input_shape=(3, 8, 8))
        >>> GraphArchitecture.of(graph).classes
        3
    """

    kind = "graph"

    classes: int = Field(ge=1)
    """Logits."""
    in_channels: int = Field(ge=1)
    """Channels of the images."""
    size: int = Field(ge=1)
    """The height; `input_shape` has both sides."""
    mean: tuple[float, ...]
    """Of each channel, subtracted from images in [0, 1]."""
    std: tuple[float, ...]
    """Of each channel, by which images are divided then."""
    graph: str
    """The graph as JSON (`NetworkGraph.to_json`)."""

    @model_validator(mode="after")
    def _graph_fits(self) -> GraphArchitecture:
        try:
            graph = self.network_graph
            classes = count_classes(graph)
        except BrinellError as error:
            raise ValueError(str(error)) from None
        if (classes, *graph.input_shape[:2]) != (self.classes, self.in_channels, self.size):
            raise ValueError(f"the graph has {classes} classes and takes images of {graph.input_shape}")
        return self

    @property
    def network_graph(self) -> NetworkGraph:
        """The graph."""
        return NetworkGraph.from_json(json.loads(self.graph))

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        return self.network_graph.input_shape

    def network(self) -> nn.Module:
        """The bare network."""
        return GraphNetwork(self.network_graph)

    @classmethod
    def of(
        cls, graph: NetworkGraph, mean: tuple[float, ...] | None = None, std: tuple[float, ...] | None = None
    ) -> Self:
        """The architecture of a graph; without `mean` and `std` it sees images as they are.

        Raises:
            ModelError: the graph is no classifier.
            ConfigurationError: `mean` and `std` do not fit the channels.
        """
        channels, height, _ = graph.input_shape
        return cls.parse(
            {
                "classes": count_classes(graph),
                "in_channels": channels,
                "size": height,
                "mean": mean or (0.0,) * channels,
                "std": std or (1.0,) * channels,
                "graph": json.dumps(graph.to_json(), separators=(",", ":")),
            }
        )


def build_graph(
    graph: NetworkGraph,
    tensors: Mapping[str, Tensor],
    mean: tuple[float, ...] | None = None,
    std: tuple[float, ...] | None = None,
) -> Normalized:
    """The module of a graph with its weights, in evaluation mode.

    Args:
        graph: What is computed.
        tensors: Of the state, by the names that the graph has for them; parameters that require no gradient stay
            frozen.
        mean: Of each channel, subtracted from images in [0, 1].
        std: Of each channel, by which images are divided then.

    Returns:
        Images in [0, 1] in, logits out.

    Raises:
        ModelError: The graph is no classifier.

    Examples:
        >>> import torch
        >>> from brinell.nn.graph import GraphNode, NetworkGraph
        >>> node = GraphNode("mean.dim", ({"value": 0}, [2, 3]))  # of the images, over their sides
        >>> graph = NetworkGraph((node,), {}, output=1, input_shape=(3, 8, 8))
        >>> build_graph(graph, {})(torch.ones(1, 3, 8, 8)).tolist()
        [[1.0, 1.0, 1.0]]
    """
    module = GraphArchitecture.of(graph, mean, std).module()
    state: dict[str, Any] = {name: tensor.detach() for name, tensor in tensors.items()}
    module.model.load_state_dict(state)
    parameters = {name: tensor for name, tensor in tensors.items() if isinstance(tensor, nn.Parameter)}
    freeze(module.model, [name for name, parameter in parameters.items() if not parameter.requires_grad])
    module.eval()
    return module
