"""A module that computes a graph: convolutions, linear layers and batch norms are PyTorch's own layers."""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import torch
from torch import Tensor, nn

from brinell.core import ModelError
from brinell.nn.graph.network_graph import DTYPES, GraphNode, NetworkGraph, references
from brinell.nn.graph.operators import DROPOUT, OPERATORS

LARGEST: Final = 1 << 28
"""Numbers that all values for one image may have in sum."""

FEATURE_NORM: Final = "batch_norm.features"
"""`batch_norm` over rows of features instead of maps."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_]*(\.[A-Za-z0-9][A-Za-z0-9_]*)*")


class _Scope(nn.Module):
    """Holds the layers whose names begin alike."""


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
            _register_tensor(self, name, torch.zeros(kind.shape, dtype=DTYPES[kind.dtype]), kind.trained)
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
                return _tensor(self, argument["tensor"])
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
            _attach(self, path, nn.Dropout(float(node.arguments[1])))
            return path
        builder = _LAYERS.get(node.operator)
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
        _attach(self, path, layer)
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

    Raises:
        ModelError: an operator is unknown or does not fit its arguments, the values of one image are too large, or the
            output is no batch of logits.
    """
    with torch.device("meta"):
        network = GraphNetwork(graph).eval()
        shapes = [_compute_shapes(network, images) for images in (1, 3)]
    for images, shape in zip((1, 3), shapes, strict=True):
        if len(shape) != 2 or shape[0] != images:
            raise ModelError(f"graph: expected logits (images, classes) for a batch of {images}, found {tuple(shape)}")
    return shapes[0][1]


def _compute_shapes(network: GraphNetwork, images: int) -> torch.Size:
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
    return logits.shape


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, (list, tuple)):
        return [part for item in value for part in _tensors(item)]
    return [value] if isinstance(value, Tensor) else []


# Layers


def _named_tensors(node: GraphNode, first: int, names: tuple[str, ...]) -> str | None:
    """The layer's name, where the node's tensors are called after one layer."""
    path = None
    for name, argument in zip(names, node.arguments[first:], strict=False):
        if argument is None:
            continue
        if not (isinstance(argument, Mapping) and "tensor" in argument):
            return None
        parent, _, leaf = argument["tensor"].rpartition(".")
        if leaf != name or not parent or path not in (None, parent):
            return None
        path = parent
    return path if isinstance(node.arguments[0], Mapping) and "value" in node.arguments[0] else None


def _schema(node: GraphNode, names: tuple[str, ...], defaults: tuple[Any, ...]) -> dict[str, Any]:
    given = dict(zip(names, node.arguments, strict=False))
    return {**dict(zip(names, defaults, strict=True)), **given, **node.keywords}


def _pair(value: Any) -> tuple[int, int]:
    numbers = list(value) if isinstance(value, (list, tuple)) else [value]
    return (int(numbers[0]), int(numbers[-1]))


def _conv2d(node: GraphNode, graph: NetworkGraph) -> tuple[str, nn.Module] | None:
    path = _named_tensors(node, 1, ("weight", "bias"))
    if path is None or len(node.arguments) < 2 or set(node.keywords) & {"weight", "bias"}:
        return None
    names = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
    settings = _schema(node, names, (None, None, None, [1, 1], [0, 0], [1, 1], 1))
    shape = graph.tensors[f"{path}.weight"].shape
    if len(shape) != 4 or isinstance(settings["padding"], str):
        return None
    groups = int(settings["groups"])
    layer = nn.Conv2d(
        shape[1] * groups,
        shape[0],
        (shape[2], shape[3]),
        stride=_pair(settings["stride"]),
        padding=_pair(settings["padding"]),
        dilation=_pair(settings["dilation"]),
        groups=groups,
        bias=settings["bias"] is not None,
    )
    return path, layer


def _linear(node: GraphNode, graph: NetworkGraph) -> tuple[str, nn.Module] | None:
    path = _named_tensors(node, 1, ("weight", "bias"))
    if path is None or len(node.arguments) < 2 or node.keywords:
        return None
    shape = graph.tensors[f"{path}.weight"].shape
    if len(shape) != 2:
        return None
    bias = len(node.arguments) > 2 and node.arguments[2] is not None
    return path, nn.Linear(shape[1], shape[0], bias=bias)


def _batch_norm(node: GraphNode, graph: NetworkGraph) -> tuple[str, nn.Module] | None:
    names = ("input", "weight", "bias", "running_mean", "running_var", "training", "momentum", "eps", "cudnn_enabled")
    settings = _schema(node, names, (*(None,) * 5, False, 0.1, 1e-5, True))
    path = _named_tensors(node, 1, ("weight", "bias", "running_mean", "running_var"))
    if path is None or None in node.arguments[3:5]:
        return None
    if settings.get("training"):
        raise ModelError("graph: it was exported in training mode; call model.eval() before it is exported")
    size = graph.tensors[f"{path}.running_mean"].shape[0]
    affine = node.arguments[1] is not None
    kind = nn.BatchNorm1d if node.operator == FEATURE_NORM else nn.BatchNorm2d
    layer = kind(size, eps=float(settings["eps"]), momentum=float(settings["momentum"]), affine=affine)
    return path, layer


_LAYERS: Final[dict[str, Callable[[GraphNode, NetworkGraph], tuple[str, nn.Module] | None]]] = {
    "conv2d": _conv2d,
    "linear": _linear,
    "batch_norm": _batch_norm,
    FEATURE_NORM: _batch_norm,
}


# Names


def safe_name(name: str) -> str:
    """A name for a tensor that no module, tracer or file can misread: letters, digits, `_` and dots between them."""
    parts = []
    for part in name.split("."):
        clean = re.sub(r"[^A-Za-z0-9_]", "_", part).lstrip("_") or "x"
        parts.append(f"{clean}_" if _is_taken(clean) else clean)
    return ".".join(parts)


def _is_taken(part: str) -> bool:
    return keyword.iskeyword(part) or hasattr(_PLAIN, part) or part in ("weight_", "graph")


_PLAIN = nn.Module()


def _attach(network: nn.Module, path: str, layer: nn.Module) -> None:
    parent, leaf = _scope(network, path)
    if leaf in parent._modules or hasattr(parent, leaf):
        raise ModelError(f"graph: two layers or tensors are called {path!r}")
    parent.add_module(leaf, layer)


def _scope(network: nn.Module, path: str) -> tuple[nn.Module, str]:
    if not _NAME.fullmatch(path) or any(_is_taken(part) for part in path.split(".")):
        raise ModelError(f"graph: {path!r} is no name of a layer or tensor")
    *scopes, leaf = path.split(".")
    for part in scopes:
        if part not in network._modules:
            network.add_module(part, _Scope())
        network = network.get_submodule(part)
    return network, leaf


def _register_tensor(network: nn.Module, name: str, value: Tensor, trained: bool) -> None:
    parent, leaf = _scope(network, name)
    if leaf in parent._parameters or leaf in parent._buffers:
        return  # a layer's own
    if hasattr(parent, leaf):
        raise ModelError(f"graph: two layers or tensors are called {name!r}")
    if trained and value.is_floating_point():
        parent.register_parameter(leaf, nn.Parameter(value))
    else:
        parent.register_buffer(leaf, value)


def _tensor(network: nn.Module, name: str) -> Tensor:
    path, _, leaf = name.rpartition(".")
    found: Tensor = getattr(network.get_submodule(path), leaf)
    return found
