"""ONNX Runtime on the processor, from a graph that PyTorch exports."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from torch import nn

from brinell.core import require
from brinell.nn.onnx_graph import OnnxNetwork, open_session, to_onnx
from brinell.runtimes.compiled import CompiledNetwork, Images, Program
from brinell.runtimes.runtime import Runtime
from brinell.runtimes.verification import Verifier


class ONNXRuntime(Runtime):
    """ONNX Runtime: float networks, and int8 networks in their own graph.

    ONNX has no type for bits: binary layers are computed in float, and are no faster than in PyTorch.
    """

    kind = "onnxruntime"
    needs: ClassVar[tuple[str, ...]] = ("onnx", "onnxruntime")
    extra: ClassVar[str] = "onnx"

    def compile(self, module: nn.Module, input_shape: tuple[int, ...]) -> nn.Module:
        """Export, open a session, verify. An int8 network is its session already."""
        if isinstance(module, OnnxNetwork):
            return module
        session = open_session(to_onnx(module, input_shape))
        version: str = require("onnxruntime", extra=self.extra).__version__
        return CompiledNetwork(
            f"onnxruntime {version}",
            lambda size: _program(session),
            batch_sizes=(128,),
            dynamic=True,
            verification=Verifier(module, input_shape),
        )


def _program(session: Any) -> Program:
    def run(images: Images) -> Images:
        (logits,) = session.run(None, {"images": images})
        return np.asarray(logits, np.float32)

    return run
