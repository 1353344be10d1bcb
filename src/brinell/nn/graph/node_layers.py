"""Layers of PyTorch that compute nodes of a graph: convolutions, linear layers and batch norms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from torch import nn

from brinell.core import ModelError
from brinell.nn.graph.network_graph import GraphNode, NetworkGraph

FEATURE_NORM: Final = "batch_norm.features"
"""`batch_norm` over rows of features instead of maps."""


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


LAYERS: Final[dict[str, Callable[[GraphNode, NetworkGraph], tuple[str, nn.Module] | None]]] = {
    "conv2d": _conv2d,
    "linear": _linear,
    "batch_norm": _batch_norm,
    FEATURE_NORM: _batch_norm,
}
"""What builds the layer of a node: its name and the layer, or `None` where a function computes the node."""
