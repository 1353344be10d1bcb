"""`Variant`: a network's tensors, what was done to it, and the modules it can be run as."""

from brinell.variants.abc_layers import ABCLayers
from brinell.variants.binary_layers import BinaryLayers
from brinell.variants.change import Change
from brinell.variants.narrower import Narrower, Width
from brinell.variants.onnx_graph import OnnxGraph
from brinell.variants.structure import CHANGES, rebuild
from brinell.variants.variant import Step, Variant
from brinell.variants.views import VIEWS, natural_view, set_view

__all__ = [
    "CHANGES",
    "VIEWS",
    "ABCLayers",
    "BinaryLayers",
    "Change",
    "Narrower",
    "OnnxGraph",
    "Step",
    "Variant",
    "Width",
    "natural_view",
    "rebuild",
    "set_view",
]
