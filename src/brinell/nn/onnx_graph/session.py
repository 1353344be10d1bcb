"""ONNX Runtime on a graph that has been checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from brinell.core import ModelError, require
from brinell.nn.batch_growth import BATCHES, check_growth
from brinell.nn.onnx_graph.fake_quantized import check_shapes
from brinell.nn.onnx_graph.reading import parse

_ERRORS_ONLY = 3

_EXACT_SUMS = ("session.x64quantprecision", "1")
"""Without VNNI, ONNX Runtime adds pairs of products of 8-bit integers in 16 bits, which saturate. With this setting it
takes slower instructions that do not, where weights have more than 7 bits, and results are those of any processor."""


def open_stranger(data: bytes) -> Any:
    """As `open_session`, for a graph that may come from anywhere: it is refused before ONNX Runtime sees it.

    Args:
        data: Of an ONNX file.

    Returns:
        An `onnxruntime.InferenceSession`.

    Raises:
        ConfigurationError: ONNX Runtime is not installed.
        ModelError: the graph is refused (`parse`, `check_shapes`), or ONNX Runtime cannot run it.
    """
    graph = parse(data)
    check_growth({images: check_shapes(graph, images) for images in BATCHES}, "onnx")
    return open_session(data)


def open_session(data: bytes, *, profile: Path | None = None) -> Any:
    """An inference session on the processor for a graph made here, with as many threads as PyTorch uses.

    `profile` begins the name of the file that its profile is written to.

    Args:
        data: Of an ONNX file.
        profile: Where a profile is wanted.

    Returns:
        An `onnxruntime.InferenceSession`.

    Raises:
        ConfigurationError: ONNX Runtime is not installed.
        ModelError: ONNX Runtime cannot run it.
    """
    runtime = require("onnxruntime", extra="onnx")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = _ERRORS_ONLY
    options.add_session_config_entry(*_EXACT_SUMS)
    if profile is not None:
        options.enable_profiling = True
        options.profile_file_prefix = str(profile)
        options.add_session_config_entry("session.disable_prepacking", "1")  # a packed weight has no shape in it
    try:
        return runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors share no base but this
        raise ModelError(f"onnx: ONNX Runtime cannot run the graph: {_brief(error)}") from None


def run_session(session: Any, images: Tensor) -> Tensor:
    """Logits on the images' device.

    Args:
        session: Of `open_session`.
        images: `(N, C, H, W)`, float in [0, 1].

    Returns:
        `(N, classes)`, float32.

    Raises:
        ModelError: the images are not what the graph takes.
    """
    if not isinstance(images, Tensor):  # a tracer's stand-in, which ONNX Runtime would read as memory
        raise ModelError(f"onnx: ONNX Runtime takes tensors, not {type(images).__name__}")
    name = session.get_inputs()[0].name
    try:
        (logits,) = session.run(None, {name: images.detach().to("cpu", torch.float32).contiguous().numpy()})
    except Exception as error:
        raise ModelError(f"onnx: ONNX Runtime cannot run images {tuple(images.shape)}: {_brief(error)}") from None
    return torch.from_numpy(logits).to(images.device)


def _brief(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
