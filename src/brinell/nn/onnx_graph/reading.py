"""An ONNX file's bytes as plain values, after everything that a classifier does not need has been refused."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from brinell.core import ModelError, require
from brinell.nn.onnx_graph.node import Node
from brinell.nn.onnx_graph.operations import OPERATIONS

OPSETS: Final = range(13, 24)
"""Versions of the standard's operations that are understood."""

_TYPES: Final = {1: "float32", 2: "uint8", 3: "int8", 6: "int32", 7: "int64", 9: "bool", 11: "float64"}
"""Types of ONNX's tensors, by their numbers there."""


@dataclass(frozen=True, eq=False)
class Graph:
    """A classifier: one input `(batch, channels, height, width)`, one output."""

    nodes: tuple[Node, ...]
    constants: Mapping[str, Tensor]
    input: str
    input_shape: tuple[int, int, int]
    output: str
    batch: int | None = None
    """How many images it takes, where it is not any number."""


def parse(
    data: bytes,
    *,
    operations: Container[str] = OPERATIONS,
    opsets: range = OPSETS,
    folder: Path | None = None,
) -> Graph:
    """Read a graph that may come from anywhere.

    No functions, no graphs inside nodes, no operation but `operations`: by default those that `FakeQuantized` computes.
    Nothing outside `data` is ever looked at but, where `folder` is given, files of tensors in it.

    Args:
        data: Of an ONNX file.
        operations: Types that are accepted.
        opsets: Versions that are accepted.
        folder: Where its files of tensors lie.

    Returns:
        Nodes in the order in which they are computed, and constants.

    Raises:
        ConfigurationError: `onnx` is not installed.
        ModelError: the bytes are damaged, or hold what a classifier does not need; unknown operations are all named.
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
    if opset not in opsets:
        raise ModelError(f"onnx: opset {opset} is not known; accepted: {opsets.start} to {opsets.stop - 1}")
    _check_operations(model.graph.node, operations)
    taken: dict[Path, int] = {}
    constants = {tensor.name: _tensor(onnx, tensor, folder, taken) for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in constants]
    if len(inputs) != 1 or len(model.graph.output) != 1:
        raise ModelError(f"onnx: expected one input and one output, not {len(inputs)} and {len(model.graph.output)}")
    nodes = tuple(_node(onnx, node, opset) for node in model.graph.node)
    images = inputs[0].type.tensor_type.shape.dim
    batch = images[0].dim_value if images and images[0].dim_value else None
    return Graph(nodes, constants, inputs[0].name, _input_shape(inputs[0]), model.graph.output[0].name, batch)


def _check_operations(nodes: Iterable[Any], operations: Container[str]) -> None:
    unknown = {
        f"{node.domain}.{node.op_type!r}" if node.domain else repr(node.op_type)
        for node in nodes
        if node.domain not in ("", "ai.onnx") or node.op_type not in operations
    }
    if unknown:
        plural = "s" if len(unknown) > 1 else ""
        known = f"; known: {', '.join(operations)}" if isinstance(operations, Mapping) else ""
        raise ModelError(f"onnx: unknown operation{plural} {', '.join(sorted(unknown))}{known}")


def _node(onnx: Any, node: Any, opset: int) -> Node:
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


def _tensor(onnx: Any, tensor: Any, folder: Path | None = None, taken: dict[Path, int] | None = None) -> Tensor:
    if tensor.external_data or tensor.data_location == onnx.TensorProto.EXTERNAL:
        if folder is None:
            raise ModelError(f"onnx: the tensor {tensor.name!r} lies in another file, which is never read")
        _fetch(onnx, tensor, folder, {} if taken is None else taken)
    if tensor.data_type not in _TYPES:
        raise ModelError(f"onnx: the tensor {tensor.name!r} is of a type that is not accepted")
    try:
        array = onnx.numpy_helper.to_array(tensor)
        return torch.from_numpy(array.copy())
    except (ValueError, TypeError, RuntimeError) as error:
        raise ModelError(f"onnx: the tensor {tensor.name!r} is damaged ({error})") from None


def _fetch(onnx: Any, tensor: Any, folder: Path, taken: dict[Path, int]) -> None:
    """Put a tensor's bytes, which lie in a file of `folder`, into the tensor; `taken` counts bytes of each file."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    path = folder / location
    inside = path.resolve().is_relative_to(folder.resolve()) and not Path(location).is_absolute()
    if not location or not inside or not path.is_file():
        raise ModelError(f"onnx: the tensor {tensor.name!r} lies in {location!r}, which is no file in {folder}")
    try:
        offset, size = int(entries.get("offset", 0)), path.stat().st_size
        length = int(entries.get("length", size - offset))
    except ValueError as error:
        raise ModelError(f"onnx: the tensor {tensor.name!r} is damaged ({error})") from None
    if offset < 0 or length < 0 or offset + length > size:
        raise ModelError(f"onnx: the tensor {tensor.name!r} reaches beyond {path}")
    if (total := taken.get(path, 0) + length) > size:
        raise ModelError(f"onnx: the tensors in {path} take more than its {size:,} bytes")
    taken[path] = total
    with path.open("rb") as file:
        file.seek(offset)
        tensor.raw_data = file.read(length)
    del tensor.external_data[:]
    tensor.data_location = onnx.TensorProto.DEFAULT


def _input_shape(value: Any) -> tuple[int, int, int]:
    dimensions = value.type.tensor_type.shape.dim
    sides = [dimension.dim_value for dimension in dimensions[1:]]
    if len(sides) != 3 or not all(1 <= side <= 1 << 14 for side in sides):
        raise ModelError(
            f"onnx: expected an input of (batch, channels, height, width), not one of {sides} behind batch"
        )
    return (sides[0], sides[1], sides[2])
