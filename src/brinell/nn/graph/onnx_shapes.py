"""ONNX's operations on shapes, and along axes, in PyTorch's operators."""

from __future__ import annotations

from typing import Any, Final

from brinell.core import ModelError
from brinell.nn.graph.onnx_translation import Translate, Translation, node_input_name
from brinell.nn.onnx_graph import Node


def _axes(t: Translation, node: Node) -> list[int]:
    """They moved from the attributes to the inputs in opset 13 (Squeeze, ReduceSum) or 18 (ReduceMean)."""
    return t.integers(node.inputs[1]) if node_input_name(node, 1) else list(node.attributes.get("axes", []))


def _reduce(operator: str) -> Translate:
    def translate(t: Translation, node: Node) -> Any:
        axes = _axes(t, node) or list(range(len(t.shape(node.inputs[0]))))
        return t.call(operator, t.operand(node.inputs[0]), axes, bool(node.attributes.get("keepdims", 1)))

    return translate


def _global(operator: str) -> Translate:
    def translate(t: Translation, node: Node) -> Any:
        axes = list(range(2, len(t.shape(node.inputs[0]))))
        return t.call(operator, t.operand(node.inputs[0]), axes, True)

    return translate


def _reshape(t: Translation, node: Node) -> Any:
    shape = t.shape(node.inputs[0])
    wanted = t.integers(node.inputs[1])
    sizes = [
        shape[place] if size == 0 and not node.attributes.get("allowzero", 0) else size
        for place, size in enumerate(wanted)
    ]
    return t.call("reshape", t.operand(node.inputs[0]), t.sizes(sizes, images=True))


def _flatten(t: Translation, node: Node) -> Any:
    axis = node.attributes.get("axis", 1) % len(t.shape(node.inputs[0]))
    x = t.call("flatten.using_ints", t.operand(node.inputs[0]), axis)
    return x if axis == 1 else t.call("flatten.using_ints", x, 0, axis - 1)


def _expand(t: Translation, node: Node) -> Any:
    shape, wanted = t.shape(node.inputs[0]), t.integers(node.inputs[1])
    shape = [1] * (len(wanted) - len(shape)) + shape
    wanted = [1] * (len(shape) - len(wanted)) + wanted
    sizes = [max(pair) for pair in zip(shape, wanted, strict=True)]
    return t.call("expand", t.operand(node.inputs[0]), t.sizes(sizes, images=False))


def _concat(t: Translation, node: Node) -> Any:
    parts = []
    for name in node.inputs:
        parts.append(_for_any_batch(t, name) if name in t.constants else t.operand(name))
    return t.call("cat", parts, node.attributes["axis"])


def _for_any_batch(t: Translation, name: str) -> Any:
    """A constant, whose rows are equal where a file of a fixed number of images repeats one row for each of them."""
    value, batch = t.constant(name), t.source.batch
    if batch is None or value.dim() < 2 or len(value) != batch or not bool((value == value[:1]).all()):
        return t.tensor(name, value, trained=False)
    row = t.tensor(name, value[:1])
    return t.call("expand", row, [{"images": 1}, *value.shape[1:]])


def _split(t: Translation, node: Node) -> Any:
    axis = node.attributes.get("axis", 0)
    given = t.integers(node.inputs[1]) if node_input_name(node, 1) else list(node.attributes.get("split", []))
    side, count = t.shape(node.inputs[0])[axis], len(node.outputs)
    step = -(-side // count)
    sizes = given or [min(step, side - start) for start in range(0, side, step)]
    whole = t.call("split_with_sizes", t.operand(node.inputs[0]), sizes, axis)
    return [t.call("getitem", whole, place) for place in range(count)]


def _slice(t: Translation, node: Node) -> Any:
    get = node.attributes.get
    if len(node.inputs) > 1:
        starts, ends = t.integers(node.inputs[1]), t.integers(node.inputs[2])
        axes = t.integers(node.inputs[3]) if node_input_name(node, 3) else list(range(len(starts)))
        steps = t.integers(node.inputs[4]) if node_input_name(node, 4) else [1] * len(starts)
    else:
        starts, ends = list(get("starts", [])), list(get("ends", []))
        axes, steps = list(get("axes", range(len(starts)))), [1] * len(starts)
    x = t.operand(node.inputs[0])
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        if step < 1:
            raise ModelError(f"onnx: {node.name!r} goes backwards")
        x = t.call("slice.Tensor", x, axis, start, min(end, (1 << 62)), step)
    return x


def _gather(t: Translation, node: Node) -> Any:
    axis, index = node.attributes.get("axis", 0), t.constant(node.inputs[1])
    x = t.operand(node.inputs[0])
    if index.dim() == 0:
        return t.call("select.int", x, axis, int(index))
    if index.dim() != 1:
        raise ModelError(f"onnx: {node.name!r} gathers by a table of indices")
    side = t.shape(node.inputs[0])[axis]
    return t.call("index_select", x, axis, t.tensor(node.inputs[1], index % side, trained=False))


def _pad(t: Translation, node: Node) -> Any:
    mode = node.attributes.get("mode", b"constant").decode()
    rank = len(t.shape(node.inputs[0]))
    given = t.integers(node.inputs[1]) if node_input_name(node, 1) else list(node.attributes.get("pads", []))
    axes = [axis % rank for axis in t.integers(node.inputs[3])] if node_input_name(node, 3) else list(range(rank))
    value = float(t.constant(node.inputs[2])) if node_input_name(node, 2) else float(node.attributes.get("value", 0.0))
    befores, afters = [0] * rank, [0] * rank
    for place, axis in enumerate(axes):
        befores[axis], afters[axis] = given[place], given[place + len(axes)]
    ends = [end for axis in reversed(range(rank)) for end in (befores[axis], afters[axis])]
    x = t.operand(node.inputs[0])
    if mode == "constant":
        return t.call("constant_pad_nd", x, ends, value)
    names = {"reflect": "reflection_pad2d", "edge": "replication_pad2d"}
    if mode not in names or rank != 4 or any(ends[4:]):
        raise ModelError(f"onnx: {node.name!r} pads in a way that is not accepted ({mode})")
    return t.call(names[mode], x, ends[:4])


def _squeeze(t: Translation, node: Node) -> Any:
    axes = _axes(t, node) or [axis for axis, side in enumerate(t.shape(node.inputs[0])) if side == 1]
    return t.call("squeeze.dims", t.operand(node.inputs[0]), axes)


def _unsqueeze(t: Translation, node: Node) -> Any:
    axes, x = _axes(t, node), t.operand(node.inputs[0])
    rank = len(t.shape(node.inputs[0])) + len(axes)
    for axis in sorted(axis % rank for axis in axes):
        x = t.call("unsqueeze", x, axis)
    return x


def _transpose(t: Translation, node: Node) -> Any:
    rank = len(t.shape(node.inputs[0]))
    return t.call("permute", t.operand(node.inputs[0]), list(node.attributes.get("perm", range(rank)[::-1])))


def _identity(t: Translation, node: Node) -> Any:
    return t.operand(node.inputs[0])


def _dropout(t: Translation, node: Node) -> Any:
    ratio = float(t.constant(node.inputs[1])) if node_input_name(node, 1) else node.attributes.get("ratio", 0.5)
    return t.dropout(t.operand(node.inputs[0]), ratio)


SHAPES: Final[dict[str, Translate]] = {
    "Concat": _concat,
    "Dropout": _dropout,
    "Expand": _expand,
    "Flatten": _flatten,
    "Gather": _gather,
    "GlobalAveragePool": _global("mean.dim"),
    "GlobalMaxPool": _global("amax"),
    "Identity": _identity,
    "Pad": _pad,
    "ReduceMax": _reduce("amax"),
    "ReduceMean": _reduce("mean.dim"),
    "ReduceMin": _reduce("amin"),
    "ReduceSum": _reduce("sum.dim_IntList"),
    "Reshape": _reshape,
    "Slice": _slice,
    "Split": _split,
    "Squeeze": _squeeze,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
