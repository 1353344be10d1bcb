"""The `.brinell` file: a runnable variant in as few bytes as DEFLATE allows, exactly."""

from brinell.container.api import load, save
from brinell.container.deep_compression import read_deep_compression
from brinell.container.deflate import Effort
from brinell.container.exporting import export_onnx, export_openvino
from brinell.container.inspection import InspectedTensor, Inspection, inspect
from brinell.container.latent import read_latent, write_latent
from brinell.container.packed_network import STUDY_NETWORKS, PackedNetwork
from brinell.container.reading import read
from brinell.container.sizes import compare_sizes
from brinell.container.writing import write

__all__ = [
    "STUDY_NETWORKS",
    "Effort",
    "InspectedTensor",
    "Inspection",
    "PackedNetwork",
    "compare_sizes",
    "export_onnx",
    "export_openvino",
    "inspect",
    "load",
    "read",
    "read_deep_compression",
    "read_latent",
    "save",
    "write",
    "write_latent",
]
