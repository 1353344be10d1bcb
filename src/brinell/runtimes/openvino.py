"""OpenVINO on the processor: float and int8 networks, and binary layers as convolutions of bits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
import torch
from torch import nn

from brinell.core import UnsupportedError, require
from brinell.nn.onnx_graph import OnnxNetwork, weight_bits
from brinell.runtimes.compiled import CompiledNetwork, Images, Program
from brinell.runtimes.openvino_model import has_bits, to_openvino
from brinell.runtimes.openvino_saturation import openvino_saturates
from brinell.runtimes.runtime import Runtime
from brinell.runtimes.verification import Verifier

_BITS_THAT_DO_NOT_SATURATE: Final = 7

_SMALL: Final = 3 * 64 * 64
"""Numbers an image up to which several images' activations fit the caches of a processor together."""


class OpenVINO(Runtime):
    """OpenVINO, in float32 where the network is float: never in bfloat16, which it takes by itself where it can.

    It has compiled kernels for bits on x86 processors. Elsewhere (Arm) it computes them in a plain loop, which is right
    and slow: `CompiledNetwork.kernels` tells which it is.
    """

    kind = "openvino"
    needs: ClassVar[tuple[str, ...]] = ("openvino", "onnx")
    extra: ClassVar[str] = "openvino"

    def compile(self, module: nn.Module, input_shape: tuple[int, ...]) -> nn.Module:
        """Translate, compile, verify; a network with bits is compiled for each batch size that is needed.

        Raises:
            UnsupportedError: OpenVINO cannot compile it or computes something else, as it does of int8 networks with
                weights of 8 bits where its sums saturate.
        """
        _check_sums(module)
        return self._network(to_openvino(module, input_shape), module, input_shape)

    def write(self, module: nn.Module, input_shape: Sequence[int], path: Path) -> None:
        """Write the model as `path` (`.xml`) and a `.bin` beside it, after it was read again and verified.

        Raises:
            ConfigurationError, UnsupportedError: as `deploy`.
        """
        self.check_installed()
        _check_sums(module)
        ov = require("openvino", extra=self.extra)
        model = to_openvino(module, input_shape)
        model.reshape([1 if has_bits(module) else -1, *input_shape])
        ov.save_model(model, path, compress_to_fp16=False)
        self._network(ov.Core().read_model(path), module, tuple(input_shape))

    def _network(self, model: Any, module: nn.Module, input_shape: tuple[int, ...]) -> nn.Module:
        ov = require("openvino", extra=self.extra)
        bits, int8 = has_bits(module), isinstance(module, OnnxNetwork)
        compiled = dict[int | None, Any]()

        def build(size: int | None) -> Program:
            compiled[size] = _compiled(ov, model, size, input_shape)
            return _program(compiled[size])

        return CompiledNetwork(
            f"openvino {ov.get_version().partition('-')[0]}",
            build,
            batch_sizes=(1, 2, 4, 8, 16) if np.prod(input_shape) <= _SMALL else (1, 2, 4),
            dynamic=not bits,
            verification=Verifier(module, input_shape, rounded=True if int8 else None),
            kernels=lambda: _kernels(next(iter(compiled.values()))),
        )


def _check_sums(module: nn.Module) -> None:
    """Refuse an int8 network with weights of 8 bits where sums of its products saturate."""
    if not isinstance(module, OnnxNetwork) or weight_bits(module.graph) <= _BITS_THAT_DO_NOT_SATURATE:
        return
    if openvino_saturates():
        raise UnsupportedError(
            "openvino: this processor has no VNNI, and OpenVINO's sums of products with weights of 8 bits saturate; "
            "make the network with reduce_range (weights of 7 bits), or use runtime 'reference'"
        )


def _compiled(ov: Any, model: Any, size: int | None, input_shape: Sequence[int]) -> Any:
    fixed = model.clone()
    fixed.reshape([-1 if size is None else size, *input_shape])
    settings = {
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "NUM_STREAMS": 1,
        "INFERENCE_PRECISION_HINT": "f32",
        "ENABLE_CPU_PINNING": False,  # several workers would be pinned to the same core
    }
    try:
        return ov.Core().compile_model(fixed, "CPU", settings)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[-300:]
        raise UnsupportedError(f"openvino: the network cannot be compiled: {reason}") from None


def _program(compiled: Any) -> Program:
    request = compiled.create_infer_request()

    def run(images: Images) -> Images:
        return np.array(request.infer({0: images}, share_inputs=True)[0], np.float32)

    return run


def _kernels(compiled: Any) -> dict[str, int]:
    """Operations of the compiled graph by kind and kernel, such as `BinaryConvolution jit_avx2_u1`."""
    infos = [node.get_rt_info() for node in compiled.get_runtime_model().get_ops()]
    return dict(Counter(f"{_text(info['layerType'])} {_text(info['primitiveType'])}" for info in infos))


def _text(value: Any) -> str:
    return str(getattr(value, "value", value))
