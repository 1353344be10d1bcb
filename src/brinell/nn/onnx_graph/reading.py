"""An ONNX file's bytes as plain values, after everything that a classifier does not need has been refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor

from brinell.core import ModelError, require
from brinell.nn.onnx_graph.operations import OPERATIONS

OPSETS: Final = range(13, 24)
"""Versions of the standard's operations that are understood."""

_TYPES: Final = {1: "float32", 2: "uint8", 3: "int8", 6: "int32", 7: "int64", 9: "bool", 11: "float64"}
"""Types of ONNX's tensors, by their numbers there."""


@dataclass(frozen=True)
class Node:
    """One operation on named values; an input that is left out is empty."""

    name: str
    operation: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    opset: int


@dataclass(frozen=True, eq=False)
class Graph:
    """A classifier: one input `(batch, channels, height, width)`, one output."""

    nodes: tuple[Node, ...]
    constants: Mapping[str, Tensor]
    input: str
    input_shape: tuple[int, int, int]
    output: str


def parse(data: bytes) -> Graph:
    """Read a graph that may come from anywhere.

    Nothing outside `data` is ever looked at: no external tensor files, no functions, no graphs inside nodes, no
    operation but those that `Twin` computes.

    Raises:
        ConfigurationError: `onnx` is not installed.
        ModelError: the bytes are damaged, or hold what a classifier does not need.
    """
    onnx = require("onnx", extra="onnx")
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except Exception as error:  # protobuf's own kind of error differs between its implementations
        raise ModelError(f"onnx: the graph is damaged ({error})") from None
    if model.functions or model.training_info or model.graph.sparse_initializer:
        raise ModelError("onnx: functions, training and sparse tensors are not accepted")
    opset = max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)
    if opset not in OPSETS:
        raise ModelError(f"onnx: opset {opset} is not known; accepted: {OPSETS.start} to {OPSETS.stop - 1}")
    constants = {tensor.name: _tensor(onnx, tensor) for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in constants]
    if len(inputs) != 1 or len(model.graph.output) != 1:
        raise ModelError(f"onnx: expected one input and one output, not {len(inputs)} and {len(model.graph.output)}")
    nodes = tuple(_node(onnx, node, opset) for node in model.graph.node)
    return Graph(nodes, constants, inputs[0].name, _input_shape(inputs[0]), model.graph.output[0].name)


def _node(onnx: Any, node: Any, opset: int) -> Node:
    if node.domain not in ("", "ai.onnx") or node.op_type not in OPERATIONS:
        where = f"{node.domain}." if node.domain else ""
        raise ModelError(f"onnx: unknown operation {where}{node.op_type!r}; known: {', '.join(OPERATIONS)}")
    attributes = {attribute.name: _attribute(onnx, attribute) for attribute in node.attribute}
    return Node(node.name, node.op_type, tuple(node.input), tuple(node.output), attributes, opset)


def _attribute(onnx: Any, attribute: Any) -> Any:
    kinds = onnx.AttributeProto
    if attribute.type == kinds.TENSOR:
        return _tensor(onnx, attribute.t)
    if (
        attribute.type not in (kinds.INT, kinds.INTS, kinds.FLOAT, kinds.FLOATS, kinds.STRING)
        or attribute.ref_attr_name
    ):
        raise ModelError(f"onnx: the attribute {attribute.name!r} is of a kind that is not accepted")
    return onnx.helper.get_attribute_value(attribute)


def _tensor(onnx: Any, tensor: Any) -> Tensor:
    if tensor.external_data or tensor.data_location == onnx.TensorProto.EXTERNAL:
        raise ModelError(f"onnx: the tensor {tensor.name!r} lies in another file, which is never read")
    if tensor.data_type not in _TYPES:
        raise ModelError(f"onnx: the tensor {tensor.name!r} is of a type that is not accepted")
    try:
        array = onnx.numpy_helper.to_array(tensor)
        return torch.from_numpy(array.copy())
    except (ValueError, TypeError, RuntimeError) as error:
        raise ModelError(f"onnx: the tensor {tensor.name!r} is damaged ({error})") from None


def _input_shape(value: Any) -> tuple[int, int, int]:
    dimensions = value.type.tensor_type.shape.dim
    sides = [dimension.dim_value for dimension in dimensions[1:]]
    if len(sides) != 3 or not all(1 <= side <= 1 << 14 for side in sides):
        raise ModelError(
            f"onnx: expected an input of (batch, channels, height, width), not one of {sides} behind batch"
        )
    return (sides[0], sides[1], sides[2])
