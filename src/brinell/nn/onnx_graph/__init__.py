"""ONNX graphs: read without trust, run by ONNX Runtime, and run again in PyTorch with gradients."""

from brinell.nn.onnx_graph.exporting import to_onnx
from brinell.nn.onnx_graph.network import OnnxNetwork
from brinell.nn.onnx_graph.quantizing import Calibration, int8_share, quantize
from brinell.nn.onnx_graph.reading import Graph, Node, parse
from brinell.nn.onnx_graph.session import open_session, open_stranger, run_session
from brinell.nn.onnx_graph.twin import Twin

__all__ = [
    "Calibration",
    "Graph",
    "Node",
    "OnnxNetwork",
    "Twin",
    "int8_share",
    "open_session",
    "open_stranger",
    "parse",
    "quantize",
    "run_session",
    "to_onnx",
]
