"""ONNX files of float classifiers as graphs of PyTorch's operators."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from brinell.core import ModelError, read_regular_file
from brinell.nn.graph.network_graph import NetworkGraph
from brinell.nn.graph.onnx_constants import FOLDED
from brinell.nn.graph.onnx_operator_table import TRANSLATED
from brinell.nn.graph.onnx_translation import Translation
from brinell.nn.onnx_graph import Node, parse

OPSETS: Final = range(9, 24)
MOST_ONNX_BYTES: Final = 1 << 31
"""Of a file: protobuf's own limit."""
_MOST_NUMBERS: Final = 1 << 16
"""Of a constant that is computed from shapes."""


def read_onnx(path: Path) -> tuple[NetworkGraph, dict[str, Tensor]]:
    """The graph and the tensors of a classifier.

    Args:
        path: Of the `.onnx` file.

    Returns:
        What is computed, and the values of its tensors by name.

    Raises:
        ConfigurationError: `onnx` is not installed.
        ModelError: the file is damaged, holds what a classifier does not need, or keeps tensors in a file outside its
            folder; unknown operations are all named.
    """
    known = {**dict.fromkeys(TRANSLATED), **dict.fromkeys(FOLDED)}
    try:
        data = read_regular_file(path, MOST_ONNX_BYTES)
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror or error}") from None
    try:
        translation = Translation(parse(data, operations=known, opsets=OPSETS, folder=path.parent))
        for node in translation.source.nodes:
            _translate(translation, node)
        return translation.network()
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None


def _translate(t: Translation, node: Node) -> None:
    """Add what one node computes."""
    for name in node.inputs:
        if name and name not in t.values and name not in t.constants:
            raise ModelError(f"onnx: {node.name!r} needs {name!r}, which nothing before it computes")
    try:
        constant = all(name in t.constants for name in node.inputs if name)
        if node.operation in FOLDED and (constant or node.operation == "Shape"):
            t.constants[node.outputs[0]] = _folded(t, node)
            return
        results = TRANSLATED[node.operation](t, node)
    except ModelError:
        raise
    except Exception as error:  # operators raise whatever they meet
        reason = " ".join(str(error).split())[:200]
        raise ModelError(f"onnx: {node.operation} {node.name!r} cannot be translated: {reason}") from None
    for name, result in zip(node.outputs, results if isinstance(results, list) else [results], strict=False):
        t.values[name] = result


def _folded(t: Translation, node: Node) -> Tensor:
    if node.operation == "Shape":
        shape = t.shape(node.inputs[0])
        start, end = node.attributes.get("start", 0), node.attributes.get("end", len(shape))
        return torch.tensor(shape[start:end], dtype=torch.int64)
    given = [t.constants[name] if name else None for name in node.inputs]
    result = FOLDED[node.operation](node, *given)
    if result.numel() > max([_MOST_NUMBERS, *(part.numel() for part in given if part is not None)]):
        raise ModelError(f"onnx: {node.name!r} makes a large constant of a small one")
    return result
