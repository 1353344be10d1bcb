"""Convolutions that add and rectify while they write: for forward passes on a processor, without gradients.

A map of a small network takes as long to add and rectify as to compute, because each is a pass over memory that leaves
the caches. oneDNN does both in the convolution's own pass; the operator is the one that PyTorch's compiler calls.
"""

from __future__ import annotations

import operator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from brinell.nn.frozen_copy import copy_module, has_hooks
from brinell.nn.module_utils import replace


class FusedConv2d(nn.Module):
    """`relu(conv(x))` or `relu(conv(x) + other)`, in the precision of its weight."""

    weight: Tensor
    bias: Tensor | None

    def __init__(self, like: nn.Conv2d, dtype: torch.dtype | None = None) -> None:
        super().__init__()
        dtype = dtype or like.weight.dtype
        weight = like.weight.detach().to(dtype, memory_format=torch.channels_last)
        self.register_buffer("weight", weight)
        self.register_buffer("bias", None if like.bias is None else like.bias.detach().to(dtype))
        self.numbers: tuple[Any, ...] = (list(like.padding), list(like.stride), list(like.dilation), like.groups)

    def forward(self, x: Tensor, other: Tensor | None = None) -> Tensor:
        """`(N, in, H, W)` to `(N, out, H', W')`; `other` has the result's shape, or one that broadcasts to it."""
        weight, x = self.weight, x.to(self.weight.dtype)
        if weight.dtype == torch.float64:  # which the operator does not know
            return self._in_two_passes(x, other)
        pointwise = torch.ops.mkldnn._convolution_pointwise
        if other is None:
            return pointwise(x, weight, self.bias, *self.numbers, "relu", [], "")  # type: ignore[no-any-return]
        other = other.to(weight.dtype)
        if other.shape != self._shape(x):
            return self._in_two_passes(x, other)
        other = other.contiguous(memory_format=torch.channels_last)
        return pointwise(  # type: ignore[no-any-return]
            x, other, weight, self.bias, *self.numbers, "add", 1.0, "relu", [], ""
        )

    def _in_two_passes(self, x: Tensor, other: Tensor | None) -> Tensor:
        padding, stride, dilation, groups = self.numbers
        out = F.conv2d(x, self.weight, self.bias, stride, padding, dilation, groups)
        return F.relu(out if other is None else out + other)

    def _shape(self, x: Tensor) -> tuple[int, ...]:
        padding, stride, dilation, _ = self.numbers
        kernel = self.weight.shape[2:]
        sizes = [
            (size + 2 * pad - gap * (width - 1) - 1) // step + 1
            for size, pad, step, gap, width in zip(x.shape[2:], padding, stride, dilation, kernel, strict=True)
        ]
        return (len(x), len(self.weight), *sizes)


def fuse_relu(module: nn.Module, dtype: torch.dtype | None = None) -> nn.Module:
    """A copy of a traced `module` whose convolutions do the sum and the relu that follow them; else `module` itself.

    It is for forward passes on a processor only: a fused convolution has no gradient. It computes in `dtype`, by
    default in its weights' own.

    Args:
        module: As `fold_batch_norms` returns it.
        dtype: Float32 or, on processors that fuse it, bfloat16.

    Returns:
        The copy, without a gradient, or `module`.

    Examples:
        >>> from torch import nn
        >>> network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
        >>> fuse_relu(network) is network  # it is not traced
        True
    """
    if not isinstance(module, fx.GraphModule) or not can_fuse(dtype or torch.float32):
        return module
    fused = copy_module(module)
    graph, parts = fused.graph, dict(fused.named_modules())
    count = 0
    for node in list(graph.nodes):
        found = _pattern(node, parts)
        if found is None:
            continue
        convolution, other = found
        name = f"fused_{count}"
        parts[name] = FusedConv2d(parts[str(convolution.target)], dtype)
        fused.add_module(name, parts[name])
        with graph.inserting_before(node):
            new = graph.call_module(name, (convolution.args[0],) if other is None else (convolution.args[0], other))
        node.replace_all_uses_with(new)
        count += 1
    graph.eliminate_dead_code()
    for name in {str(node.target) for node in module.graph.nodes if node.op == "call_module"}:
        if not any(node.op == "call_module" and node.target == name for node in graph.nodes):
            replace(fused, name, nn.Identity())  # its weights would only take memory
    fused.recompile()
    return fused.eval()


def can_fuse(dtype: torch.dtype = torch.float32) -> bool:
    """Whether this PyTorch has the operator, a private one, and this processor runs it in `dtype`."""
    if not torch.backends.mkldnn.is_available() or not hasattr(torch.ops.mkldnn, "_convolution_pointwise"):
        return False
    return dtype != torch.bfloat16 or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _pattern(node: fx.Node, parts: dict[str, nn.Module]) -> tuple[fx.Node, fx.Node | None] | None:
    """The convolution that this relu follows, and what is added in between; `None` for any other node."""
    if not _is_relu(node, parts) or not isinstance(node.args[0], fx.Node):
        return None
    before = node.args[0]
    if len(before.users) != 1:
        return None
    if _is_convolution(before, parts):
        return before, None
    if before.target not in (operator.add, operator.iadd, torch.add) or len(before.args) != 2 or before.kwargs:
        return None
    left, right = before.args
    if not isinstance(left, fx.Node) or not isinstance(right, fx.Node) or left is right:
        return None
    for one, other in ((left, right), (right, left)):
        if _is_convolution(one, parts) and len(one.users) == 1:
            return one, other
    return None


def _is_relu(node: fx.Node, parts: dict[str, nn.Module]) -> bool:
    if node.op == "call_module":
        return type(parts[str(node.target)]) is nn.ReLU and not has_hooks(parts[str(node.target)])
    if node.op == "call_method":
        return node.target in ("relu", "relu_")
    return node.op == "call_function" and node.target in (F.relu, torch.relu, torch.relu_)


def _is_convolution(node: fx.Node, parts: dict[str, nn.Module]) -> bool:
    if node.op != "call_module" or len(node.args) != 1 or node.kwargs:
        return False
    layer = parts[str(node.target)]
    ordinary = type(layer) is nn.Conv2d and not has_hooks(layer)
    return ordinary and layer.padding_mode == "zeros" and not isinstance(layer.padding, str)
