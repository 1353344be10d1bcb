"""Runtimes, one file each: what computes a deployed network. Each is checked against PyTorch's result when it loads."""

from brinell.core import Registry
from brinell.runtimes.auto import Auto
from brinell.runtimes.compiled import CompiledNetwork
from brinell.runtimes.onnxruntime import ONNXRuntime
from brinell.runtimes.openvino import OpenVINO
from brinell.runtimes.reference import Reference
from brinell.runtimes.runtime import Runtime
from brinell.runtimes.sparse import Sparse
from brinell.runtimes.verification import describe_logit_difference, verification_images

RUNTIMES: Registry[Runtime] = Registry(
    "runtime", Reference, OpenVINO, ONNXRuntime, Sparse, Auto, group="brinell.runtimes"
)

__all__ = [
    "RUNTIMES",
    "Auto",
    "CompiledNetwork",
    "ONNXRuntime",
    "OpenVINO",
    "Reference",
    "Runtime",
    "Sparse",
    "describe_logit_difference",
    "verification_images",
]
