"""Binary layers as OpenVINO's `BinaryConvolution` of bits, with batch norm and sign as one comparison before it.

What its kernels in the releases 2025.4 to 2026.4 need: inputs of 0 and 1 from a `FakeQuantize` of two levels; weights
packed with the first bit lowest; input channels a multiple of 8, or it computes a wrong result without an error.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from brinell.nn import ABCConv2d, BinaryConv2d
from brinell.runtimes.thresholds import cuts

_CHANNELS: Final = 8
"""Input channels come in groups of so many."""

_WIDEST: Final = 5
"""The largest kernel that is compiled; one of 7 x 7 is refused."""


def fits_bits(layer: nn.Module) -> bool:
    """Whether `binary_convolution` takes the layer; others are computed in float."""
    if type(layer) not in (BinaryConv2d, ABCConv2d) or not isinstance(layer, BinaryConv2d | ABCConv2d):
        return False
    options = layer.options
    strided_and_dilated = max(options["stride"]) > 1 and max(options["dilation"]) > 1
    return options["groups"] == 1 and max(layer.kernel_size) <= _WIDEST and not strided_and_dilated


def binary_convolution(ov: Any, layer: BinaryConv2d | ABCConv2d, x: Any) -> Any:
    """The layer's output as a node of an OpenVINO graph, from the node `x` of its float inputs.

    An ABC-Net layer is a sum of M x N convolutions of bits, of which each of the N binary inputs is packed once.
    """
    op = ov.opset13
    if isinstance(layer, BinaryConv2d):
        bits, levels = layer.weight[None], torch.zeros(1)
        factors = layer.scale[None, None]
    else:
        bits, levels = layer.bits, 0.5 - layer.shifts.float()
        factors = layer.heights[:, None, None] * layer.alphas.expand(-1, layer.out_channels)
    cut, sign = cuts(layer.norm, levels, layer.in_channels)
    total = None
    for n in range(len(levels)):
        inputs = _inputs(ov, x, cut[n])
        for m in range(len(bits)):
            counted = _count(ov, inputs, bits[m] * sign[n].view(-1, 1, 1), layer)
            term = op.multiply(counted, _along_channels(ov, factors[n, m]))
            total = term if total is None else op.add(total, term)
    if isinstance(layer, BinaryConv2d) and layer.input_scale:
        total = op.multiply(total, _input_scales(ov, layer, x))
    return total if layer.bias is None else op.add(total, _along_channels(ov, layer.bias))


def _inputs(ov: Any, x: Any, cut: Tensor) -> Any:
    """1 where `x` exceeds the cut of its channel, else 0; channels are filled up with zeros."""
    op, missing = ov.opset13, -len(cut) % _CHANNELS
    if missing:
        none, after = op.constant(np.zeros(4, np.int64)), op.constant(np.array([0, missing, 0, 0], np.int64))
        x = op.pad(x, none, after, "constant", op.constant(np.float32(0)))
        cut = F.pad(cut, (0, missing), value=torch.finfo(torch.float32).max)
    border = _along_channels(ov, cut)
    return op.fake_quantize(x, border, border, op.constant(np.float32(0)), op.constant(np.float32(1)), 2)


def _count(ov: Any, inputs: Any, signs: Tensor, layer: BinaryConv2d | ABCConv2d) -> Any:
    """The sum of +-1 by +-1 over what each window covers of the image, from inputs of 0 and 1."""
    options, missing = layer.options, -layer.in_channels % _CHANNELS
    padded = F.pad(signs, (0, 0, 0, 0, 0, missing), value=-1.0)
    packed = np.packbits((padded > 0).numpy().reshape(-1), bitorder="little")
    weights = ov.Tensor(ov.Type.u1, ov.Shape(list(padded.shape)))  # it owns its memory; one made of an array does not
    weights.data[:] = packed
    padding = list(options["padding"])
    counted = ov.opset1.binary_convolution(
        inputs,
        ov.opset13.constant(weights),
        list(options["stride"]),
        padding,
        padding,
        list(options["dilation"]),
        "xnor-popcount",
        0.0,
    )
    if not missing:
        return counted
    # The channels that fill up are 0 in inputs and weights: they agree, once in every pixel inside the image.
    height, width = (inputs.get_output_partial_shape(0)[side].get_length() for side in (2, 3))
    window = torch.full((1, 1, *layer.kernel_size), float(missing))
    agreeing = F.conv2d(torch.ones(1, 1, height, width), window, None, **options)
    return ov.opset13.subtract(counted, ov.opset13.constant(agreeing.numpy()))


def _input_scales(ov: Any, layer: BinaryConv2d, x: Any) -> Any:
    """XNOR-Net's K (`BinaryConv2d.input_scales`): the mean |norm(x)| of what each window covers, `(N, 1, H', W')`."""
    op, options = ov.opset13, layer.options
    norm: Any = layer.norm
    slope = norm.weight / (norm.running_var + norm.eps).sqrt()
    normed = op.add(
        op.multiply(x, _along_channels(ov, slope)), _along_channels(ov, norm.bias - norm.running_mean * slope)
    )
    size = op.reduce_mean(op.abs(normed), op.constant(np.array([1], np.int64)), True)
    window = np.full((1, 1, *layer.kernel_size), 1 / np.prod(layer.kernel_size), np.float32)
    padding = list(options["padding"])
    return op.convolution(
        size, op.constant(window), list(options["stride"]), padding, padding, list(options["dilation"])
    )


def _along_channels(ov: Any, values: Tensor) -> Any:
    return ov.opset13.constant(np.ascontiguousarray(values.detach().float().view(1, -1, 1, 1).numpy()))
