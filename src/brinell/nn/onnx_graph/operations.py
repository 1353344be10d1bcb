"""What ONNX's operations compute, in PyTorch: those that image classifiers are exported to, plain and quantised.

A quantised value is held as whole numbers in float32, exactly; `QuantizeLinear` lets gradients straight through where
it does not clamp.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

import torch
import torch.nn.functional as F
from torch import Tensor

from brinell.core import ModelError
from brinell.nn.onnx_graph.node import Node

Operation = Callable[..., Tensor]

_RANGES: Final = {torch.uint8: (0, 255), torch.int8: (-128, 127)}


class _Quantize(torch.autograd.Function):
    """round(x) + zero, clamped; half to even, as ONNX says."""

    @staticmethod
    def forward(context: Any, scaled: Tensor, zero: Tensor, low: int, high: int) -> Tensor:
        rounded = scaled.round() + zero
        context.save_for_backward((rounded >= low) & (rounded <= high))
        return rounded.clamp(low, high)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        (inside,) = context.saved_tensors
        return gradients[0] * inside, None, None, None


def _along(values: Tensor, node: Node, like: Tensor) -> Tensor:
    """Numbers a channel, in the shape that broadcasts along the node's axis."""
    if values.numel() == 1:
        return values.reshape(())
    axis = node.attributes.get("axis", 1) % like.dim()
    return values.view([-1 if place == axis else 1 for place in range(like.dim())])


def _quantize(node: Node, x: Tensor, scale: Tensor, zero: Tensor | None = None) -> Tensor:
    kind = torch.uint8 if zero is None else zero.dtype
    if kind not in _RANGES:
        raise ModelError(f"onnx: {node.name!r} quantises to {kind}; accepted: 8 bits")
    offset = torch.zeros(()) if zero is None else _along(zero.float(), node, x)
    result: Tensor = _Quantize.apply(x / _along(scale, node, x), offset, *_RANGES[kind])  # type: ignore[no-untyped-call]
    return result


def _dequantize(node: Node, x: Tensor, scale: Tensor, zero: Tensor | None = None) -> Tensor:
    shifted = x.float() if zero is None else x.float() - _along(zero.float(), node, x)
    return shifted * _along(scale, node, x)


# Windows


def _window(node: Node, sides: int) -> tuple[Sequence[int], Sequence[int], list[int]]:
    """Strides, dilations and padding (the ends of each side, last side first, as `F.pad` wants them)."""
    attributes = node.attributes
    if attributes.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
        raise ModelError(f"onnx: {node.name!r} pads by itself (auto_pad); give the padding in numbers")
    pads = list(attributes.get("pads", [0] * 2 * sides))
    ends = [pads[place] for side in reversed(range(sides)) for place in (side, side + sides)]
    return attributes.get("strides", [1] * sides), attributes.get("dilations", [1] * sides), ends


def _conv(node: Node, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    strides, dilations, ends = _window(node, x.dim() - 2)
    groups = node.attributes.get("group", 1)
    return F.conv2d(F.pad(x, ends), weight, bias, tuple(strides), 0, tuple(dilations), groups)


def _even(node: Node, ends: list[int]) -> tuple[int, int]:
    if ends[0] != ends[1] or ends[2] != ends[3]:
        raise ModelError(f"onnx: {node.name!r} pads its sides differently")
    return ends[2], ends[0]


def _max_pool(node: Node, x: Tensor) -> Tensor:
    strides, dilations, ends = _window(node, 2)
    ceil = bool(node.attributes.get("ceil_mode", 0))
    kernel = tuple(node.attributes["kernel_shape"])
    return F.max_pool2d(x, kernel, tuple(strides), _even(node, ends), tuple(dilations), ceil)


def _average_pool(node: Node, x: Tensor) -> Tensor:
    strides, _, ends = _window(node, 2)
    ceil, with_pads = (bool(node.attributes.get(name, 0)) for name in ("ceil_mode", "count_include_pad"))
    kernel = tuple(node.attributes["kernel_shape"])
    return F.avg_pool2d(x, kernel, tuple(strides), _even(node, ends), ceil, with_pads)


# Shapes


def _axes(node: Node, axes: Tensor | None) -> list[int]:
    """They moved from the attributes to the inputs in opset 13 (Squeeze) or 18 (ReduceMean)."""
    return [int(axis) for axis in (node.attributes.get("axes", []) if axes is None else axes)]


def _reduce_mean(node: Node, x: Tensor, axes: Tensor | None = None) -> Tensor:
    along = _axes(node, axes) or list(range(x.dim()))
    return x.mean(along, keepdim=bool(node.attributes.get("keepdims", 1)))


def _reshape(node: Node, x: Tensor, shape: Tensor) -> Tensor:
    wanted = [x.shape[place] if side == 0 else int(side) for place, side in enumerate(shape)]
    return x.reshape(wanted)


def _flatten(node: Node, x: Tensor) -> Tensor:
    axis = node.attributes.get("axis", 1) % (x.dim() + 1)
    return x.reshape(math.prod(x.shape[:axis]), -1)


def _slice(node: Node, x: Tensor, starts: Tensor, ends: Tensor, *rest: Tensor | None) -> Tensor:
    axes, steps = (*rest, None, None)[:2]
    along = list(range(len(starts))) if axes is None else [int(axis) % x.dim() for axis in axes]
    for place, axis in enumerate(along):
        step = 1 if steps is None else int(steps[place])
        chosen = range(x.shape[axis])[int(starts[place]) : int(ends[place]) : step]
        x = x.index_select(axis, torch.tensor(chosen, dtype=torch.int64, device=x.device))
    return x


def _pad(node: Node, x: Tensor, pads: Tensor, value: Tensor | None = None, axes: Tensor | None = None) -> Tensor:
    if node.attributes.get("mode", b"constant") != b"constant":
        raise ModelError(f"onnx: {node.name!r} does not pad with a constant")
    along = list(range(x.dim())) if axes is None else [int(axis) % x.dim() for axis in axes]
    ends = [0] * 2 * x.dim()
    for place, axis in enumerate(along):
        ends[2 * (x.dim() - 1 - axis)] = int(pads[place])
        ends[2 * (x.dim() - 1 - axis) + 1] = int(pads[place + len(along)])
    return F.pad(x, ends, value=0.0 if value is None or value.is_meta else float(value))


def _squeeze(node: Node, x: Tensor, axes: Tensor | None = None) -> Tensor:
    return x.squeeze(_axes(node, axes) or [axis for axis, side in enumerate(x.shape) if side == 1])


def _unsqueeze(node: Node, x: Tensor, axes: Tensor | None = None) -> Tensor:
    along = _axes(node, axes)
    for axis in sorted(axis % (x.dim() + len(along)) for axis in along):
        x = x.unsqueeze(axis)
    return x


def _constant(node: Node) -> Tensor:
    value = node.attributes.get("value")
    if not isinstance(value, Tensor):
        raise ModelError(f"onnx: {node.name!r} is a constant that is no tensor")
    return value


# Values


def _gemm(node: Node, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    get = node.attributes.get
    x, weight = (x.T if get("transA", 0) else x), (weight.T if get("transB", 0) else weight)
    out: Tensor = get("alpha", 1.0) * (x @ weight)
    return out if bias is None else out + get("beta", 1.0) * bias


def _clip(node: Node, x: Tensor, low: Tensor | None = None, high: Tensor | None = None) -> Tensor:
    if low is None and high is None:
        return x
    return x.clamp(low, high)


def _batch_norm(node: Node, x: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    return F.batch_norm(x, mean, variance, scale, bias, eps=node.attributes.get("epsilon", 1e-5))


OPERATIONS: Final[dict[str, Operation]] = {
    "Add": lambda node, a, b: a + b,
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_norm,
    "Clip": _clip,
    "Concat": lambda node, *parts: torch.cat(parts, node.attributes["axis"]),
    "Constant": _constant,
    "Conv": _conv,
    "DequantizeLinear": _dequantize,
    "Div": lambda node, a, b: a / b,
    "Flatten": _flatten,
    "Gemm": _gemm,
    "GlobalAveragePool": lambda node, x: x.mean((2, 3), keepdim=True),
    "HardSigmoid": lambda node, x: (x * node.attributes.get("alpha", 0.2) + node.attributes.get("beta", 0.5)).clamp(
        0, 1
    ),
    "HardSwish": lambda node, x: F.hardswish(x),
    "Identity": lambda node, x: x,
    "LeakyRelu": lambda node, x: F.leaky_relu(x, node.attributes.get("alpha", 0.01)),
    "MatMul": lambda node, a, b: a @ b,
    "MaxPool": _max_pool,
    "Mul": lambda node, a, b: a * b,
    "Pad": _pad,
    "QuantizeLinear": _quantize,
    "ReduceMean": _reduce_mean,
    "Relu": lambda node, x: x.relu(),
    "Reshape": _reshape,
    "Sigmoid": lambda node, x: x.sigmoid(),
    "Slice": _slice,
    "Squeeze": _squeeze,
    "Sub": lambda node, a, b: a - b,
    "Tanh": lambda node, x: x.tanh(),
    "Transpose": lambda node, x: x.permute(node.attributes.get("perm", list(range(x.dim()))[::-1])),
    "Unsqueeze": _unsqueeze,
}
"""By ONNX's names; each takes the node and the inputs' values. None of them makes a large tensor of a small number but
`Pad` and broadcasting, which `Twin` bounds."""
