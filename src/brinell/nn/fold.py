"""Batch norms folded into the convolutions before them: the same function in evaluation mode, with fewer passes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn.modules import module as globally
from torch.nn.utils.fusion import fuse_conv_bn_eval

from brinell.nn.frozen_copy import copy_module, has_hooks
from brinell.nn.module_utils import replace


class _Tracer(fx.Tracer):
    """Looks into containers only: a layer that is not PyTorch's own (a binary one) is taken as it is.

    So is what has hooks or a `forward` of its own: called as a whole, it keeps them.
    """

    def is_leaf_module(self, module: nn.Module, name: str) -> bool:
        return not _is_container(module) or has_hooks(module) or super().is_leaf_module(module, name)


def _is_container(module: nn.Module) -> bool:
    return any(True for _ in module.children()) and not hasattr(module, "surrogate")


class _Called(nn.Module):
    """Calls a network with its images alone, so that its other arguments have their defaults, and its hooks run."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.network(images)
        return logits


def fold_batch_norms(module: nn.Module) -> nn.Module:
    """A copy of `module` (in evaluation mode) without the batch norms that follow a convolution directly.

    A module that cannot be traced (its forward pass branches on values, it has hooks) comes back as a plain copy. What
    tracing gets wrong without an error (a branch on the type of the images) is for the caller to find (`difference`).

    Args:
        module: In evaluation mode; it is not changed.

    Returns:
        The copy, traced where that is possible.

    Examples:
        >>> from torch import nn
        >>> folded = fold_batch_norms(nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)).eval())
        >>> [type(layer).__name__ for layer in folded.modules() if isinstance(layer, nn.BatchNorm2d)]
        []
    """
    shipped = copy_module(module)
    called = _Called(shipped)
    if has_hooks(shipped) or any(getattr(globally, f"_global_{kind}_hooks") for kind in _GLOBAL):
        return shipped
    try:
        with _functions_kept():
            graph = _Tracer().trace(called)
    except Exception:  # tracing runs the user's own forward pass, which may raise anything
        return shipped
    parts = dict(called.named_modules())
    calls: dict[str, int] = {}
    for node in graph.nodes:
        if node.op == "call_module":
            calls[node.target] = calls.get(node.target, 0) + 1
    for node in list(graph.nodes):
        before = _folds_into(node, parts, calls)
        if before is None:
            continue
        replace(called, before.target, fuse_conv_bn_eval(parts[before.target], parts[node.target]))
        node.replace_all_uses_with(before)
        graph.erase_node(node)
    return fx.GraphModule(called, graph).eval().requires_grad_(False)


_GLOBAL = ("forward", "forward_pre", "backward", "backward_pre")


@contextmanager
def _functions_kept() -> Iterator[None]:
    """Tracing records the call of an `autograd.Function`, which keeps its backward, not what its forward does."""
    function: Any = torch.autograd.Function
    known = vars(function)["apply"]

    def apply(cls: Any, *args: Any, **keywords: Any) -> Any:
        proxy = next((value for value in (*args, *keywords.values()) if isinstance(value, fx.Proxy)), None)
        if proxy is None:
            return known.__get__(None, cls)(*args, **keywords)
        return proxy.tracer.create_proxy("call_function", cls.apply, args, keywords)

    function.apply = classmethod(apply)
    try:
        yield
    finally:
        function.apply = known


def _folds_into(node: fx.Node, parts: dict[str, nn.Module], calls: dict[str, int]) -> Any:
    """The convolution whose only use is this batch norm, each of them called once; else `None`."""
    if node.op != "call_module" or type(parts[str(node.target)]) is not nn.BatchNorm2d:
        return None
    before, norm = node.args[0], parts[str(node.target)]
    if not isinstance(before, fx.Node) or before.op != "call_module" or len(before.users) != 1:
        return None
    convolution = parts[str(before.target)]
    if type(convolution) is not nn.Conv2d or norm.running_mean is None or norm.training:
        return None
    if has_hooks(convolution) or has_hooks(norm) or len(before.args) != 1 or len(node.args) != 1:
        return None
    return before if calls[str(node.target)] == calls[str(before.target)] == 1 else None
