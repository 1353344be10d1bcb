"""Mechanism without policy: norms and projections, noise, straight-through functions, binary layers, masks."""

from brinell.nn.binary_layers.abc_net import ABCConv2d, LatentABCConv2d
from brinell.nn.binary_layers.binary import BinaryConv2d, LatentBinaryConv2d, WeightGradient, xnor_weight
from brinell.nn.binary_layers.binary_layer import BinaryLayer, numeric_padding
from brinell.nn.binary_layers.staircase import staircase
from brinell.nn.binary_layers.straight_through import SURROGATES, sign
from brinell.nn.binary_layers.threshold import threshold_binary
from brinell.nn.channel_slicing import SLICEABLE, depthwise, slice_channels, widths
from brinell.nn.deploy import deploy
from brinell.nn.equivalence import (
    Response,
    comparison_images,
    describe_bfloat16_difference,
    describe_difference,
    relative_difference,
    respond,
    same_random_numbers,
)
from brinell.nn.fold import fold_batch_norms
from brinell.nn.freezing import freeze, frozen_names, frozen_norms, has_frozen_statistics
from brinell.nn.frozen_copy import copy_module, frozen_copy, has_hooks
from brinell.nn.fuse import fuse_relu
from brinell.nn.module_utils import frozen_evaluation, in_layout, replace, set_layout, set_requires_grad
from brinell.nn.noise import gaussian, random_bits, uniform
from brinell.nn.norms import BallNorm, DistanceNorm, Norm, distance, distances, project, steepest
from brinell.nn.tied import kept_ties, share_tensors, tied_layers, weight_identity
from brinell.nn.weighted_sum import weighted_sum

__all__ = [
    "SLICEABLE",
    "SURROGATES",
    "ABCConv2d",
    "BallNorm",
    "BinaryConv2d",
    "BinaryLayer",
    "DistanceNorm",
    "LatentABCConv2d",
    "LatentBinaryConv2d",
    "Norm",
    "Response",
    "WeightGradient",
    "comparison_images",
    "copy_module",
    "deploy",
    "depthwise",
    "describe_bfloat16_difference",
    "describe_difference",
    "distance",
    "distances",
    "fold_batch_norms",
    "freeze",
    "frozen_copy",
    "frozen_evaluation",
    "frozen_names",
    "frozen_norms",
    "fuse_relu",
    "gaussian",
    "has_frozen_statistics",
    "has_hooks",
    "in_layout",
    "kept_ties",
    "numeric_padding",
    "project",
    "random_bits",
    "relative_difference",
    "replace",
    "respond",
    "same_random_numbers",
    "set_layout",
    "set_requires_grad",
    "share_tensors",
    "sign",
    "slice_channels",
    "staircase",
    "steepest",
    "threshold_binary",
    "tied_layers",
    "uniform",
    "weight_identity",
    "weighted_sum",
    "widths",
    "xnor_weight",
]
