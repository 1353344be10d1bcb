"""From a module to an ONNX graph."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn

from brinell.core import UnsupportedError, require
from brinell.nn.equivalence import comparison_images, describe_difference
from brinell.nn.fold import fold_batch_norms
from brinell.nn.frozen_copy import frozen_copy
from brinell.nn.onnx_graph.session import open_session, run_session

OPSET: Final = 17


def to_onnx(module: nn.Module, input_shape: Sequence[int], *, own_domain: str | None = None) -> bytes:
    """The graph of a module in evaluation mode, for any number of images of `input_shape`.

    PyTorch's TorchScript exporter writes it: from 2.9 on it is called legacy, and it is the one that takes seconds less
    and exists in every version that is supported. A module whose autograd functions export to operations of
    `own_domain`, which ONNX Runtime does not know, comes back as the exporter writes it.

    The graph is compared with the module on random images in ONNX Runtime before it is returned; one of `own_domain` is
    for the caller to compare.

    Args:
        module: It is not changed.
        input_shape: `(C, H, W)` of one image.
        own_domain: Of operations that ONNX does not define.

    Returns:
        An ONNX file.

    Raises:
        ConfigurationError: `onnx` is not installed.
        UnsupportedError: ONNX has no operation for something the module does, or the graph computes something else.
    """
    onnx = require("onnx", extra="onnx")
    plain = frozen_copy(module, torch.device("cpu"))
    images = comparison_images(torch.full((1, *input_shape), 0.5))
    _check_takes(plain, images)
    folded = fold_batch_norms(plain)
    if describe_difference(folded, plain, images) is not None:
        folded = plain
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "exported.onnx"
        try:
            with warnings.catch_warnings(), torch.no_grad():
                warnings.simplefilter("ignore")  # about the exporter itself, and constants that shapes become
                torch.onnx.export(
                    folded,
                    (images[:2],),
                    path,
                    input_names=["images"],
                    output_names=["logits"],
                    dynamic_axes={"images": {0: "batch"}, "logits": {0: "batch"}},
                    opset_version=OPSET,
                    dynamo=False,
                    custom_opsets={own_domain: 1} if own_domain else None,
                )
            graph = path.read_bytes() if own_domain else _simplified(onnx, path)
        except Exception as error:  # tracing runs the module's own forward pass, which may raise anything
            reason = " ".join(str(error).split())[:300]
            raise UnsupportedError(f"onnx: {type(module).__name__} cannot be exported: {reason}") from None
    if own_domain is None:
        session = open_session(graph)
        differs = describe_difference(lambda batch: run_session(session, batch), plain, images)
        if differs is not None:
            raise UnsupportedError(f"onnx: the graph of {type(module).__name__} is not what it computes: {differs}")
    return graph


@torch.no_grad()
def _check_takes(module: nn.Module, images: torch.Tensor) -> None:
    """Refuse a network of another type than float32.

    Raises:
        UnsupportedError: what PyTorch says of it.
    """
    try:
        module(images.clone())
    except RuntimeError as error:
        reason = str(error).partition("\n")[0]
        raise UnsupportedError(f"onnx: the network does not take images of float32: {reason}") from None


def _simplified(onnx: Any, path: Path) -> bytes:
    """With what can be computed beforehand computed: the exporter writes a padding as ten operations on constants."""
    runtime = require("onnxruntime", extra="onnx")
    options = runtime.SessionOptions()
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 3
    options.optimized_model_filepath = str(path.with_suffix(".simplified.onnx"))
    runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    model = onnx.load(options.optimized_model_filepath)
    used = {node.domain for node in model.graph.node}
    kept = [entry for entry in model.opset_import if entry.domain in used]
    del model.opset_import[:]
    model.opset_import.extend(kept)
    simplified: bytes = model.SerializeToString()
    return simplified
