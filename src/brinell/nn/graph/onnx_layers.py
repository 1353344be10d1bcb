"""Convolutions, poolings, products and norms of ONNX in PyTorch's operators."""

from __future__ import annotations

import math
from typing import Any, Final

from brinell.core import ModelError
from brinell.nn.graph.onnx_translation import Translate, Translation, node_input_name
from brinell.nn.onnx_graph import Node


def _padding(t: Translation, node: Node, sides: int, kernel: list[int]) -> list[int]:
    """Before and after each side, in ONNX's order: all befores, then all afters."""
    get = node.attributes.get
    automatic = get("auto_pad", b"NOTSET")
    if automatic == b"NOTSET":
        return list(get("pads", [0] * 2 * sides))
    if automatic == b"VALID":
        return [0] * 2 * sides
    strides, dilations = get("strides", [1] * sides), get("dilations", [1] * sides)
    befores, afters = [], []
    for side, width, stride, gap in zip(t.shape(node.inputs[0])[2:], kernel, strides, dilations, strict=True):
        total = max((-(-side // stride) - 1) * stride + (width - 1) * gap + 1 - side, 0)
        small, large = total // 2, total - total // 2
        befores.append(small if automatic == b"SAME_UPPER" else large)
        afters.append(large if automatic == b"SAME_UPPER" else small)
    return [*befores, *afters]


def _padded(t: Translation, x: Any, pads: list[int], value: float = 0.0) -> tuple[Any, list[int]]:
    """The input, padded where its sides are padded differently, and the padding that is left to the operator."""
    half = len(pads) // 2
    if pads[:half] == pads[half:]:
        return x, pads[:half]
    ends = [pad for side in reversed(range(half)) for pad in (pads[side], pads[side + half])]
    return t.call("constant_pad_nd", x, ends, value), [0] * half


def _conv(t: Translation, node: Node) -> Any:
    shape = t.shape(node.inputs[1])
    sides = len(shape) - 2
    if sides not in (1, 2):
        raise ModelError(f"onnx: {node.name!r} convolves {sides} sides; accepted: 1 and 2")
    get = node.attributes.get
    x, padding = _padded(t, t.operand(node.inputs[0]), _padding(t, node, sides, shape[2:]))
    bias = t.operand(node.inputs[2], trained=True) if node_input_name(node, 2) else None
    settings = [list(get("strides", [1] * sides)), padding, list(get("dilations", [1] * sides)), get("group", 1)]
    return t.call(f"conv{sides}d", x, t.operand(node.inputs[1], trained=True), bias, *settings)


def _max_pool(t: Translation, node: Node) -> Any:
    get, kernel = node.attributes.get, list(node.attributes["kernel_shape"])
    x, padding = _padded(t, t.operand(node.inputs[0]), _padding(t, node, 2, kernel), -math.inf)
    strides, dilations = list(get("strides", [1, 1])), list(get("dilations", [1, 1]))
    return t.call("max_pool2d", x, kernel, strides, padding, dilations, bool(get("ceil_mode", 0)))


def _average_pool(t: Translation, node: Node) -> Any:
    get, kernel = node.attributes.get, list(node.attributes["kernel_shape"])
    pads, counted = _padding(t, node, 2, kernel), bool(get("count_include_pad", 0))
    if pads[:2] != pads[2:] and not counted:
        raise ModelError(f"onnx: {node.name!r} pads its sides differently and does not count the padding")
    x, padding = _padded(t, t.operand(node.inputs[0]), pads)
    return t.call("avg_pool2d", x, kernel, list(get("strides", [1, 1])), padding, bool(get("ceil_mode", 0)), counted)


# Products and norms


def _gemm(t: Translation, node: Node) -> Any:
    get = node.attributes.get
    weight, bias = node.inputs[1], node_input_name(node, 2)
    plain = not get("transA", 0) and get("alpha", 1.0) == get("beta", 1.0) == 1.0
    if not plain or weight not in t.constants or (bias and bias not in t.constants):
        raise ModelError(f"onnx: {node.name!r} multiplies by what is no plain weight")
    value = t.constant(weight)
    value = value if get("transB", 0) else value.T
    given = t.tensor(weight, value)
    added = t.tensor(bias, t.constant(bias).reshape(-1).expand(len(value))) if bias else None
    return t.call("linear", t.operand(node.inputs[0]), given, added)


def _matmul(t: Translation, node: Node) -> Any:
    if node.inputs[1] in t.constants and t.constant(node.inputs[1]).dim() == 2:
        return t.call("linear", t.operand(node.inputs[0]), t.tensor(node.inputs[1], t.constant(node.inputs[1]).T), None)
    return t.call("matmul", *(t.operand(name) for name in node.inputs))


def _batch_norm(t: Translation, node: Node) -> Any:
    x, scale, bias, mean, variance = node.inputs[:5]
    trained = [t.operand(name, trained=True) for name in (scale, bias)]
    kept = [t.tensor(name, t.constant(name), trained=False) for name in (mean, variance)]
    momentum, epsilon = 1 - node.attributes.get("momentum", 0.9), node.attributes.get("epsilon", 1e-5)
    settings = [False, round(momentum, 6), epsilon, False]
    return t.call("batch_norm", t.operand(x), *trained, *kept, *settings)


def _instance_norm(t: Translation, node: Node) -> Any:
    scale, bias = (t.operand(name, trained=True) for name in node.inputs[1:3])
    epsilon = node.attributes.get("epsilon", 1e-5)
    return t.call("instance_norm", t.operand(node.inputs[0]), scale, bias, None, None, True, 0.1, epsilon, False)


def _layer_norm(t: Translation, node: Node) -> Any:
    shape = t.shape(node.inputs[0])
    axis = node.attributes.get("axis", -1) % len(shape)
    scale = t.operand(node.inputs[1], trained=True)
    bias = t.operand(node.inputs[2], trained=True) if node_input_name(node, 2) else None
    epsilon = node.attributes.get("epsilon", 1e-5)
    return t.call("layer_norm", t.operand(node.inputs[0]), shape[axis:], scale, bias, epsilon)


LAYERS: Final[dict[str, Translate]] = {
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_norm,
    "Conv": _conv,
    "Gemm": _gemm,
    "InstanceNormalization": _instance_norm,
    "LayerNormalization": _layer_norm,
    "MatMul": _matmul,
    "MaxPool": _max_pool,
}
