"""`Variant`: a network's tensors, what was done to it, and the modules it can be run as."""

from brinell.variants.abc_layers import ABCLayers
from brinell.variants.binary_layers import BinaryLayers
from brinell.variants.onnx_graph import OnnxGraph
from brinell.variants.own_weights import check_own_weights
from brinell.variants.pruned_channels import PrunedChannels, Width
from brinell.variants.structure import CHANGES, rebuild
from brinell.variants.structure_change import StructureChange
from brinell.variants.variant import Step, Variant
from brinell.variants.views import (
    VIEWS,
    EverySurrogate,
    natural_view,
    set_surrogate,
    set_view,
    views_of,
    wrap_every_surrogate,
)

__all__ = [
    "CHANGES",
    "VIEWS",
    "ABCLayers",
    "BinaryLayers",
    "EverySurrogate",
    "OnnxGraph",
    "PrunedChannels",
    "Step",
    "StructureChange",
    "Variant",
    "Width",
    "check_own_weights",
    "natural_view",
    "rebuild",
    "set_surrogate",
    "set_view",
    "views_of",
    "wrap_every_surrogate",
]
