"""From a deployed network to an OpenVINO graph in which bits stay bits and whole numbers whole."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import torch
from torch import Tensor, nn

from brinell.core import UnsupportedError, require
from brinell.nn import ABCConv2d, BinaryConv2d, copy_module, replace
from brinell.nn.onnx_graph import OnnxNetwork, check_shapes, parse, to_onnx
from brinell.runtimes.openvino_binary import binary_convolution, fits_bits

_DOMAIN: Final = "brinell"
_OPERATION: Final = "BinaryLayer"


def to_openvino(module: nn.Module, input_shape: Sequence[int]) -> Any:
    """The `openvino.Model` of a module in evaluation mode, for any number of images of `input_shape`.

    The module is exported to ONNX with an operation of our own for each binary layer, in whose place OpenVINO's reader
    puts a convolution of bits. An int8 network is read from its own ONNX graph.

    Raises:
        ConfigurationError: `openvino` or `onnx` is not installed.
        UnsupportedError: ONNX or OpenVINO has no operation for something the module does.
    """
    ov = require("openvino", extra="openvino")
    core = ov.Core()
    if isinstance(module, OnnxNetwork):
        check_shapes(parse(module.graph))
        return _read(core, module.graph)
    layers = {name: part for name, part in module.named_modules() if fits_bits(part)}
    if not layers:
        return _read(core, to_onnx(module, input_shape))
    changed = copy_module(module)
    for name in layers:
        replace(changed, name, _Marked(changed.get_submodule(name), name))
    frontend = require("openvino.frontend.onnx", extra="openvino")

    def convert(node: Any) -> list[Any]:
        layer: Any = layers[node.get_attribute("layer")]
        return [binary_convolution(ov, layer, node.get_input(0)).output(0)]

    core.add_extension(frontend.ConversionExtension(_OPERATION, _DOMAIN, convert))
    with _without_native_warnings():
        graph = to_onnx(changed, input_shape, own_domain=_DOMAIN)
    return _read(core, graph)


def has_bits(module: nn.Module) -> bool:
    """Whether some layer becomes a convolution of bits, which OpenVINO compiles for one batch size at a time."""
    return any(fits_bits(part) for part in module.modules())


@contextmanager
def _without_native_warnings() -> Iterator[None]:
    """The exporter's C++ code warns on the process' stderr that it does not know the shape of an operation of ours."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _read(core: Any, graph: bytes) -> Any:
    try:
        return core.read_model(io.BytesIO(graph))
    except RuntimeError as error:
        raise UnsupportedError(f"openvino: the network cannot be read: {' '.join(str(error).split())[:300]}") from None


class _Marked(nn.Module):
    """A binary layer that is exported as one operation with its name."""

    def __init__(self, layer: nn.Module, name: str) -> None:
        super().__init__()
        self.layer, self.name = [layer], name  # in a list it is no submodule, and is left as it is by what folds

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = _Operation.apply(x, self.layer[0], self.name)  # type: ignore[no-untyped-call]
        return result


class _Operation(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: Tensor, layer: BinaryConv2d | ABCConv2d, name: str) -> Tensor:
        return layer(x)  # type: ignore[no-any-return]

    @staticmethod
    def symbolic(graph: Any, x: Any, layer: BinaryConv2d | ABCConv2d, name: str) -> Any:
        return graph.op(f"{_DOMAIN}::{_OPERATION}", x, layer_s=name)
