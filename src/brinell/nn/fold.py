"""Batch norms folded into the convolutions before them: the same function in evaluation mode, with fewer passes."""

from __future__ import annotations

import copy
from typing import Any

from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from brinell.nn.module_utils import replace


class _Tracer(fx.Tracer):
    """Looks into containers only: a layer that is not PyTorch's own (a binary one) is taken as it is."""

    def is_leaf_module(self, module: nn.Module, name: str) -> bool:
        return not _is_container(module) or super().is_leaf_module(module, name)


def _is_container(module: nn.Module) -> bool:
    return any(True for _ in module.children()) and not hasattr(module, "surrogate")


def fold_batch_norms(module: nn.Module) -> nn.Module:
    """A copy of `module` (in evaluation mode) without the batch norms that follow a convolution directly.

    A module that cannot be traced (its forward pass branches on values) comes back as a plain copy.
    """
    shipped = copy.deepcopy(module)
    try:
        graph = _Tracer().trace(shipped)
    except Exception:  # tracing runs the user's own forward pass, which may raise anything
        return shipped
    parts = dict(shipped.named_modules())
    calls: dict[str, int] = {}
    for node in graph.nodes:
        if node.op == "call_module":
            calls[node.target] = calls.get(node.target, 0) + 1
    for node in list(graph.nodes):
        before = _folds_into(node, parts, calls)
        if before is None:
            continue
        replace(shipped, before.target, fuse_conv_bn_eval(parts[before.target], parts[node.target]))
        node.replace_all_uses_with(before)
        graph.erase_node(node)
    return fx.GraphModule(shipped, graph).eval().requires_grad_(False)


def _folds_into(node: fx.Node, parts: dict[str, nn.Module], calls: dict[str, int]) -> Any:
    """The convolution whose only use is this batch norm, each of them called once; else `None`."""
    if node.op != "call_module" or type(parts[str(node.target)]) is not nn.BatchNorm2d:
        return None
    before = node.args[0]
    if not isinstance(before, fx.Node) or before.op != "call_module" or len(before.users) != 1:
        return None
    if type(parts[str(before.target)]) is not nn.Conv2d or parts[str(node.target)].running_mean is None:
        return None
    return before if calls[str(node.target)] == calls[str(before.target)] == 1 else None
