"""PyTorch's operators that a graph may name; nothing else is ever called."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, Final

import torch

_ELEMENTWISE = """
abs add.Tensor add.Scalar celu clamp clamp.Tensor clamp_max clamp_min div.Tensor div.Scalar elu erf exp gelu
hardsigmoid hardswish hardtanh leaky_relu log log_softmax.int logical_not maximum minimum mish mul.Tensor
mul.Scalar neg pow.Tensor_Scalar pow.Tensor_Tensor prelu reciprocal relu relu6 round rsqrt rsub.Scalar
rsub.Tensor selu sigmoid sign silu softmax.int _softmax softplus sqrt square sub.Tensor sub.Scalar tanh
where.self where.ScalarOther where.ScalarSelf where.Scalar eq.Scalar eq.Tensor ge.Scalar ge.Tensor gt.Scalar
gt.Tensor le.Scalar le.Tensor lt.Scalar lt.Tensor ne.Scalar floor logical_and logical_or
"""
_SHAPES = """
alias cat chunk clone constant_pad_nd contiguous expand flatten.using_ints flip index_select
lift_fresh_copy movedim.int narrow pad permute pixel_shuffle pixel_unshuffle reflection_pad2d repeat
replication_pad2d reshape roll select.int channel_shuffle slice.Tensor split.Tensor split_with_sizes squeeze
squeeze.dim squeeze.dims stack sym_size.int t transpose.int type_as unbind.int unflatten.int unsqueeze view
_unsafe_view expand_as to.dtype _to_copy
"""
_REDUCTIONS = (
    "amax amin mean mean.dim sum sum.dim_IntList var.correction var.dim std.correction std.dim linalg_vector_norm"
)
_WINDOWS = """
adaptive_avg_pool2d _adaptive_avg_pool2d adaptive_max_pool2d avg_pool2d conv1d conv2d conv2d.padding
conv_transpose2d.input convolution max_pool2d max_pool2d_with_indices upsample_bilinear2d.vec
upsample_nearest2d.vec
"""
_PRODUCTS = """
addmm baddbmm bmm linear matmul mm scaled_dot_product_attention einsum
"""
_NORMS = """
batch_norm _native_batch_norm_legit_no_training group_norm instance_norm layer_norm native_layer_norm
native_group_norm
"""

_NAMES: Final = " ".join((_ELEMENTWISE, _SHAPES, _REDUCTIONS, _WINDOWS, _PRODUCTS, _NORMS)).split()


def _size(values: Any, dim: int) -> Any:
    return values.shape[dim]


def _view(values: Any, size: Any) -> Any:
    return values.view(size)


def _expand(values: Any, size: Any, *, implicit: bool = False) -> Any:
    return values.expand(size)


def _repeat(values: Any, repeats: Any) -> Any:
    return values.repeat(repeats)


def _unflatten(values: Any, dim: Any, sizes: Any) -> Any:
    return values.unflatten(dim, sizes)


# ATen's own overloads take the number of images for a constant where the exporter to ONNX traces them.
_SIZED: Final[dict[str, Callable[..., Any]]] = {
    "sym_size.int": _size,
    "view": _view,
    "_unsafe_view": torch.reshape,
    "reshape": torch.reshape,
    "expand": _expand,
    "repeat": _repeat,
    "narrow": torch.narrow,
    "unflatten.int": _unflatten,
}

_PYTHON: Final[dict[str, Callable[..., Any]]] = {
    "relu": torch.relu,  # as modules call it, so that what looks for rectifiers finds them
    "add.Tensor": torch.add,
    "flatten.using_ints": torch.flatten,
    "cat": torch.cat,
    "detach_": torch.detach,  # of constants
    "getitem": operator.getitem,
    "integer.add": operator.add,
    "integer.sub": operator.sub,
    "integer.mul": operator.mul,
    "integer.floordiv": operator.floordiv,
}


def _find(name: str) -> Callable[..., Any]:
    packet, _, overload = name.partition(".")
    found: Callable[..., Any] = getattr(getattr(torch.ops.aten, packet), overload or "default")
    return found


OPERATORS: Final[dict[str, Callable[..., Any]]] = {
    **{name: _find(name) for name in _NAMES if hasattr(torch.ops.aten, name.partition(".")[0])},
    **_SIZED,
    **_PYTHON,
}
"""By the names of ATen's overloads (`default` left out). None reads or writes memory outside its arguments or makes a
large tensor of a small number but padding, `expand` and `repeat`, which `GraphNetwork` bounds."""

DROPOUT: Final = ("dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout")
"""Left out in evaluation; a layer of its own in training."""
