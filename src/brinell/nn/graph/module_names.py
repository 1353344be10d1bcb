"""Dotted names of layers and tensors in a module."""

from __future__ import annotations

import keyword
import re
from typing import Final

from torch import Tensor, nn

from brinell.core import ModelError

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_]*(\.[A-Za-z0-9][A-Za-z0-9_]*)*")
_PLAIN: Final = nn.Module()


class _Scope(nn.Module):
    """Holds the layers whose names begin alike."""


def safe_name(name: str) -> str:
    """A name for a tensor that no module, tracer or file can misread: letters, digits, `_` and dots between them.

    Args:
        name: As a file has it.

    Returns:
        The name; different names may come out equal.

    Examples:
        >>> safe_name("/layer-1/conv.weight")
        'layer_1_conv.weight'
    """
    parts = []
    for part in name.split("."):
        clean = re.sub(r"[^A-Za-z0-9_]", "_", part).lstrip("_") or "x"
        parts.append(f"{clean}_" if _is_taken(clean) else clean)
    return ".".join(parts)


def _is_taken(part: str) -> bool:
    return keyword.iskeyword(part) or hasattr(_PLAIN, part) or part in ("weight_", "graph")


def add_layer(network: nn.Module, path: str, layer: nn.Module) -> None:
    """Add `layer` at the dotted `path`, in modules that are made for it.

    Raises:
        ModelError: the path is no name, or taken.
    """
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


def register_tensor(network: nn.Module, name: str, value: Tensor, trained: bool) -> None:
    """Register a parameter or a buffer, unless a layer has it.

    Raises:
        ModelError: the name is none, or taken.
    """
    parent, leaf = _scope(network, name)
    if leaf in parent._parameters or leaf in parent._buffers:
        return  # a layer's own
    if hasattr(parent, leaf):
        raise ModelError(f"graph: two layers or tensors are called {name!r}")
    if trained and value.is_floating_point():
        parent.register_parameter(leaf, nn.Parameter(value))
    else:
        parent.register_buffer(leaf, value)


def find_tensor(network: nn.Module, name: str) -> Tensor:
    """The parameter or buffer of the dotted `name`."""
    path, _, leaf = name.rpartition(".")
    found: Tensor = getattr(network.get_submodule(path), leaf)
    return found
