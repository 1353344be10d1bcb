"""Compressors, one file each: from a variant and training data to a smaller variant."""

from brinell.compressors.abc_net import ABCNet
from brinell.compressors.api import compress
from brinell.compressors.budgets.budget import Budget
from brinell.compressors.compressor import Compressor
from brinell.compressors.deep_compression import DeepCompression
from brinell.compressors.distill import Distill
from brinell.compressors.dns import DNS
from brinell.compressors.fine_tune import FineTune
from brinell.compressors.inq import INQ
from brinell.compressors.int8 import Int8
from brinell.compressors.prune import Prune
from brinell.compressors.rates import RATES, Uniform
from brinell.compressors.robust_compression import RobustCompression
from brinell.compressors.xnor_net import XNORNet
from brinell.core import Registry

COMPRESSORS: Registry[Compressor] = Registry(
    "compressor",
    Distill,
    Prune,
    XNORNet,
    ABCNet,
    INQ,
    DNS,
    DeepCompression,
    RobustCompression,
    Int8,
    FineTune,
    group="brinell.compressors",
)

__all__ = [
    "COMPRESSORS",
    "DNS",
    "INQ",
    "RATES",
    "ABCNet",
    "Budget",
    "Compressor",
    "DeepCompression",
    "Distill",
    "FineTune",
    "Int8",
    "Prune",
    "RobustCompression",
    "Uniform",
    "XNORNet",
    "compress",
]
