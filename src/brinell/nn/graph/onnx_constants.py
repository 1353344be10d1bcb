"""ONNX's operations that are computed at once where all inputs are constants, as shapes are."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor

from brinell.core import ModelError
from brinell.nn.graph.onnx_elementwise import TYPES
from brinell.nn.onnx_graph import OPERATIONS, Node


def _fold_gather(node: Node, x: Tensor, index: Tensor) -> Tensor:
    axis = node.attributes.get("axis", 0)
    picked = x.index_select(axis, index.reshape(-1) % x.shape[axis])
    return picked.reshape([*x.shape[:axis], *index.shape, *x.shape[axis + 1 :]])


def _fold_cast(node: Node, x: Tensor) -> Tensor:
    kind: torch.dtype = getattr(torch, TYPES[node.attributes["to"]])
    return x.to(kind)


def _fold_constant_of_shape(node: Node, shape: Tensor) -> Tensor:
    value = node.attributes.get("value", torch.zeros(1))
    sizes = [int(side) for side in shape]
    if math.prod(sizes) > 1 << 16:
        raise ModelError(f"onnx: {node.name!r} makes a large constant of a small one")
    filled: Tensor = value.reshape(()).expand(sizes).clone()
    return filled


FOLDED: Final[dict[str, Callable[..., Tensor]]] = {
    **{name: OPERATIONS[name] for name in ("Add", "Concat", "Constant", "Div", "Identity", "Mul", "Reshape", "Slice")},
    **{name: OPERATIONS[name] for name in ("Squeeze", "Sub", "Transpose", "Unsqueeze")},
    "Cast": _fold_cast,
    "ConstantOfShape": _fold_constant_of_shape,
    "Equal": lambda node, a, b: a == b,
    "Gather": _fold_gather,
    "Shape": lambda node, x: torch.tensor(x.shape),
    "Sqrt": lambda node, x: x.sqrt(),
    "Where": lambda node, condition, a, b: torch.where(condition.bool(), a, b),
}
"""What is computed at once where all inputs are constants, as shapes are."""
