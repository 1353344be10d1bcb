"""ONNX graphs: read without trust, run by ONNX Runtime, and run again in PyTorch with gradients."""

from brinell.nn.onnx_graph.calibration import Calibration, batch_size
from brinell.nn.onnx_graph.exporting import to_onnx
from brinell.nn.onnx_graph.fake_quantized import FakeQuantized, check_shapes
from brinell.nn.onnx_graph.network import OnnxNetwork
from brinell.nn.onnx_graph.node import Node
from brinell.nn.onnx_graph.operations import OPERATIONS
from brinell.nn.onnx_graph.quantizing import count_int8_weights, int8_mac_share, quantize, weight_bits
from brinell.nn.onnx_graph.reading import Graph, parse
from brinell.nn.onnx_graph.session import open_session, open_stranger, run_session

__all__ = [
    "OPERATIONS",
    "Calibration",
    "FakeQuantized",
    "Graph",
    "Node",
    "OnnxNetwork",
    "batch_size",
    "check_shapes",
    "count_int8_weights",
    "int8_mac_share",
    "open_session",
    "open_stranger",
    "parse",
    "quantize",
    "run_session",
    "to_onnx",
    "weight_bits",
]
