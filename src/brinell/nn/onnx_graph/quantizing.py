"""ONNX Runtime's static quantisation, and its own word on which kernels it then runs."""

from __future__ import annotations

import io
import json
import logging
import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from brinell.core import ModelError, require
from brinell.nn.onnx_graph.calibration import Calibration, CalibrationImages, counted_batch_by_batch
from brinell.nn.onnx_graph.session import open_session, run_session

_LARGEST_STEP: Final = 127
_LARGEST_OF_7_BITS: Final = 64

_INT8_KERNELS: Final = {"QLinearConv", "QGemm", "QLinearMatMul", "MatMulIntegerToFloat", "ConvInteger", "MatMulInteger"}
_KERNELS: Final = _INT8_KERNELS | {"Conv", "FusedConv", "Gemm", "FusedGemm", "MatMul", "FusedMatMul", "NhwcFusedConv"}


_WEIGHED: Final = {"Conv", "ConvTranspose", "Gemm", "MatMul", "Einsum", "LSTM", "GRU", "RNN"}
"""Operations that take weights."""


def quantize(
    graph: bytes,
    images: Tensor,
    *,
    calibration: Calibration,
    per_channel: bool,
    reduce_range: bool = False,
    exact_weights: bool = False,
) -> bytes:
    """`graph` with weights and computation in 8 bits, in QDQ form: activations unsigned, weights signed and symmetric.

    `images` `(N, C, H, W)`, bytes or floats in [0, 1], are what the ranges of activations are measured on; so many as
    fit into memory as bytes. With `reduce_range` weights have 7 bits.

    With `exact_weights` no weight changes: layers of which each filter is whole numbers up to 127 times a scale are
    computed in 8 bits, and others stay float.

    Args:
        graph: Of an ONNX file, in float.
        images: To measure ranges on.
        calibration: `minmax`, `percentile` or `entropy`.
        per_channel: One scale a filter, not one a tensor.
        reduce_range: Use 7 bits for weights.
        exact_weights: Change no weight.

    Returns:
        An ONNX file.

    Raises:
        ConfigurationError: ONNX Runtime is not installed.
        ModelError: it cannot quantise this graph.
    """
    onnx = require("onnx", extra="onnx")
    tools: Any = require("onnxruntime.quantization", extra="onnx")
    methods = tools.CalibrationMethod
    chosen = {"minmax": methods.MinMax, "percentile": methods.Percentile, "entropy": methods.Entropy}
    with tempfile.TemporaryDirectory() as folder, _quiet(), counted_batch_by_batch():
        out = Path(folder) / "int8.onnx"
        try:
            model = onnx.shape_inference.infer_shapes(onnx.load_from_string(graph))
            overrides, floats = _exact_scales(onnx, tools, model) if exact_weights else ({}, [])
            tools.quantize_static(
                model,
                out,
                CalibrationImages(images),
                quant_format=tools.QuantFormat.QDQ,
                per_channel=per_channel,
                reduce_range=reduce_range,
                activation_type=tools.QuantType.QUInt8,
                weight_type=tools.QuantType.QInt8,
                calibrate_method=chosen[calibration],
                nodes_to_exclude=floats,
                extra_options={"TensorQuantOverrides": overrides},
            )
        except Exception as error:  # the tools raise whatever comes
            reason = " ".join(str(error).split())[:300]
            raise ModelError(f"int8: ONNX Runtime cannot quantise this network: {reason}") from None
        return out.read_bytes()


def _exact_scales(onnx: Any, tools: Any, model: Any) -> tuple[dict[str, list[dict[str, Any]]], list[str]]:
    """Scales a filter of the weights that they reproduce, as ONNX Runtime wants them, and the nodes of the others."""
    known = {tensor.name: tensor for tensor in model.graph.initializer}
    overrides, floats = {}, []
    for node in model.graph.node:
        if node.op_type not in ("Conv", "Gemm", "MatMul") or node.input[1] not in known:
            continue
        transposed = any(attribute.name == "transB" and attribute.i for attribute in node.attribute)
        weight = onnx.numpy_helper.to_array(known[node.input[1]])
        scales = exact_scales(weight) if node.op_type == "Conv" or transposed else None
        if scales is None:
            floats.append(node.name)
        else:
            zero, kind = np.array(0, np.int8), tools.QuantType.QInt8
            overrides[node.input[1]] = [
                {"axis": 0, "quant_type": kind, "scale": np.array(scale), "zero_point": zero} for scale in scales
            ]
    return overrides, floats


def exact_scales(weight: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """A scale a filter `(out,)` of which all its weights are whole multiples of up to 127, exactly; or `None`."""
    rows = weight.reshape(len(weight), -1)
    sizes = np.abs(rows)
    smallest = np.where(sizes > 0, sizes, np.inf).min(1)
    scales = np.where(np.isfinite(smallest), smallest, 1).astype(np.float32)
    steps = rows / scales[:, None]
    whole = (np.abs(steps) <= _LARGEST_STEP).all() and (steps == np.rint(steps)).all()
    return scales if whole and (np.rint(steps).astype(np.float32) * scales[:, None] == rows).all() else None


def int8_mac_share(graph: bytes, images: Tensor) -> float:
    """The share of multiply-accumulates that ONNX Runtime does in int8 kernels, by its own profile of one pass.

    Args:
        graph: Of an ONNX file, as bytes.
        images: `(N, C, H, W)`, what the pass takes.

    Returns:
        From 0 to 1.

    Raises:
        ModelError: the profile holds no such operation.
    """
    with tempfile.TemporaryDirectory() as folder:
        session = open_session(graph, profile=Path(folder) / "profile")
        run_session(session, images)
        events = json.loads(Path(session.end_profiling()).read_text())
    done = {True: 0, False: 0}
    for event in events:
        said = event.get("args", {})
        if event.get("cat") == "Node" and said.get("op_name") in _KERNELS and event["name"].endswith("kernel_time"):
            done[said["op_name"] in _INT8_KERNELS] += _macs(said)
    if not sum(done.values()):
        raise ModelError("int8: ONNX Runtime's profile names no convolution and no product")
    return done[True] / sum(done.values())


def _macs(said: dict[str, Any]) -> int:
    """Multiply-accumulates of a kernel: each output number meets one row of the weights (the largest constant)."""
    shapes = [next(iter(shape.values())) for shape in said["input_type_shape"]]
    out: int = math.prod(next(iter(said["output_type_shape"][0].values())))
    weights: list[int] = max((shape for shape in shapes[1:] if len(shape) > 1), key=math.prod)
    met: int = math.prod(weights[1:]) if "Conv" in said["op_name"] else shapes[0][-1]
    return out * met


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the tools' advice on stdout and in the log."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(before)


def count_int8_weights(graph: bytes) -> tuple[int, dict[str, tuple[int, str]]]:
    """How many weights are stored in 8 bits; and those that stay float, by name, with the operation that takes them.

    Weights are constants of two dimensions or more that a convolution, a product or a recurrent layer takes.

    Args:
        graph: Of an ONNX file, as bytes.

    Returns:
        A number of weights; of each float tensor its number of weights and an operation's type.
    """
    onnx = require("onnx", extra="onnx")
    model = onnx.load_from_string(graph)
    takers = {name: node.op_type for node in model.graph.node for name in node.input}
    kept, integers = {}, 0
    for tensor in model.graph.initializer:
        if len(tensor.dims) < 2:
            continue
        if tensor.data_type in (onnx.TensorProto.INT8, onnx.TensorProto.UINT8):
            integers += math.prod(tensor.dims)
        elif tensor.data_type == onnx.TensorProto.FLOAT and takers.get(tensor.name) in _WEIGHED:
            kept[tensor.name] = (math.prod(tensor.dims), takers[tensor.name])
    return integers, kept


def weight_bits(graph: bytes) -> int:
    """Bits of the largest quantised weight: with 7, no sum of two of its products with bytes exceeds 16 bits.

    Args:
        graph: Of an ONNX file, as bytes.

    Returns:
        7 or 8.
    """
    onnx = require("onnx", extra="onnx")
    tensors = onnx.load_from_string(graph).graph.initializer
    integers = [tensor for tensor in tensors if tensor.data_type == onnx.TensorProto.INT8 and len(tensor.dims) >= 2]
    weights = [onnx.numpy_helper.to_array(tensor).astype(int) for tensor in integers]
    return 8 if any(weight.size and np.abs(weight).max() > _LARGEST_OF_7_BITS for weight in weights) else 7
