"""Networks as graphs of known operators: read from files without running anybody's code, computed as modules."""

from brinell.nn.graph.exported_program import read_exported
from brinell.nn.graph.graph_network import GraphNetwork, count_classes
from brinell.nn.graph.module_names import safe_name
from brinell.nn.graph.network_graph import GraphNode, NetworkGraph, TensorSpec
from brinell.nn.graph.onnx_import import read_onnx

__all__ = [
    "GraphNetwork",
    "GraphNode",
    "NetworkGraph",
    "TensorSpec",
    "count_classes",
    "read_exported",
    "read_onnx",
    "safe_name",
]
