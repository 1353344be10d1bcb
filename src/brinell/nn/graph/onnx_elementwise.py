"""ONNX's operations on single values in PyTorch's operators."""

from __future__ import annotations

from typing import Any, Final

from brinell.core import ModelError
from brinell.nn.graph.onnx_translation import Translate, Translation, node_input_name
from brinell.nn.onnx_graph import Node

TYPES: Final = {1: "float32", 10: "float16", 11: "float64", 6: "int32", 7: "int64", 9: "bool"}
"""Of ONNX's tensors, by their numbers there."""


def _binary(operator: str) -> Translate:
    def translate(t: Translation, node: Node) -> Any:
        first, second = (t.operand(name) for name in node.inputs)
        if not isinstance(first, dict) and operator in ("add.Tensor", "mul.Tensor"):
            first, second = second, first
        if not isinstance(first, dict):
            first = t.tensor(node.inputs[0], t.constant(node.inputs[0]), trained=False)
        return t.call(operator, first, second)

    return translate


def _pow(t: Translation, node: Node) -> Any:
    exponent = t.constant(node.inputs[1])
    if exponent.numel() != 1:
        raise ModelError(f"onnx: {node.name!r} has several exponents")
    return t.call("pow.Tensor_Scalar", t.operand(node.inputs[0]), exponent.item())


def _extreme(operator: str) -> Translate:
    def translate(t: Translation, node: Node) -> Any:
        result = t.operand(node.inputs[0])
        for name in node.inputs[1:]:
            other = t.operand(name)
            other = other if isinstance(other, dict) else t.tensor(name, t.constant(name), trained=False)
            result = t.call(operator, result, other)
        return result

    return translate


def _unary(operator: str, *settings: tuple[str, float]) -> Translate:
    """An operator on one input; `settings` are ONNX's attributes with their defaults, in the operator's order."""

    def translate(t: Translation, node: Node) -> Any:
        values = [node.attributes.get(name, default) for name, default in settings]
        return t.call(operator, t.operand(node.inputs[0]), *values)

    return translate


def _clip(t: Translation, node: Node) -> Any:
    low, high = (
        t.constant(node.inputs[place]).item() if node_input_name(node, place) else node.attributes.get(name)
        for place, name in ((1, "min"), (2, "max"))
    )
    return t.call("clamp", t.operand(node.inputs[0]), low, high)


def _hard_sigmoid(t: Translation, node: Node) -> Any:
    alpha, beta = node.attributes.get("alpha", 0.2), node.attributes.get("beta", 0.5)
    if abs(alpha - 1 / 6) < 1e-6 and beta == 0.5:
        return t.call("hardsigmoid", t.operand(node.inputs[0]))
    scaled = t.call("add.Tensor", t.call("mul.Tensor", t.operand(node.inputs[0]), alpha), beta)
    return t.call("clamp", scaled, 0.0, 1.0)


def _prelu(t: Translation, node: Node) -> Any:
    return t.call("prelu", t.operand(node.inputs[0]), t.tensor(node.inputs[1], t.constant(node.inputs[1]).reshape(-1)))


def _gelu(t: Translation, node: Node) -> Any:
    return t.call("gelu", t.operand(node.inputs[0]), approximate=node.attributes.get("approximate", b"none").decode())


def _softmax(operator: str) -> Translate:
    def translate(t: Translation, node: Node) -> Any:
        axis = node.attributes.get("axis", -1 if node.opset >= 13 else 1)
        if node.opset < 13 and axis % len(t.shape(node.inputs[0])) != len(t.shape(node.inputs[0])) - 1:
            raise ModelError(f"onnx: {node.name!r} is over several axes (opset {node.opset})")
        return t.call(operator, t.operand(node.inputs[0]), axis)

    return translate


def _cast(t: Translation, node: Node) -> Any:
    kind = TYPES.get(node.attributes["to"])
    if kind is None:
        raise ModelError(f"onnx: {node.name!r} makes a type that is not accepted")
    return t.call("to.dtype", t.operand(node.inputs[0]), {"dtype": kind})


def _where(t: Translation, node: Node) -> Any:
    parts = [t.operand(name) for name in node.inputs]
    parts = [
        part if isinstance(part, dict) else t.tensor(name, t.constant(name), trained=False)
        for part, name in zip(parts, node.inputs, strict=True)
    ]
    return t.call("where.self", *parts)


VALUES: Final[dict[str, Translate]] = {
    "Abs": _unary("abs"),
    "Add": _binary("add.Tensor"),
    "Cast": _cast,
    "Clip": _clip,
    "Div": _binary("div.Tensor"),
    "Elu": _unary("elu", ("alpha", 1.0)),
    "Erf": _unary("erf"),
    "Exp": _unary("exp"),
    "Gelu": _gelu,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _unary("hardswish"),
    "LeakyRelu": _unary("leaky_relu", ("alpha", 0.01)),
    "Log": _unary("log"),
    "LogSoftmax": _softmax("log_softmax.int"),
    "Max": _extreme("maximum"),
    "Min": _extreme("minimum"),
    "Mish": _unary("mish"),
    "Mul": _binary("mul.Tensor"),
    "Neg": _unary("neg"),
    "PRelu": _prelu,
    "Pow": _pow,
    "Reciprocal": _unary("reciprocal"),
    "Relu": _unary("relu"),
    "Selu": _unary("selu"),
    "Sigmoid": _unary("sigmoid"),
    "Sign": _unary("sign"),
    "Softmax": _softmax("softmax.int"),
    "Softplus": _unary("softplus"),
    "Sqrt": _unary("sqrt"),
    "Sub": _binary("sub.Tensor"),
    "Tanh": _unary("tanh"),
    "Where": _where,
}
