"""Binary convolutions: batch norm, sign, convolution with weights of +-1, one scale a filter (XNOR-Net)."""

from __future__ import annotations

from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from brinell.nn.binary_layer import BinaryLayer
from brinell.nn.straight_through import sign, signs


class BinaryConv2d(BinaryLayer):
    """A deployed binary convolution: `scale * conv(sign(norm(x)), weight)` with weights of +-1.

    Sums of +-1 are exact in float32, so that any kernel (float, or XNOR and popcount) gives bit-equal results.
    """

    weight: Tensor
    scale: Tensor

    def __init__(self, like: nn.Conv2d) -> None:
        super().__init__(like)
        self.register_buffer("weight", like.weight.detach().new_ones(like.weight.shape))
        self.register_buffer("scale", torch.ones(like.out_channels))

    def forward(self, x: Tensor) -> Tensor:
        """`(N, in, H, W)` to `(N, out, H', W')`."""
        weight, scale = self.bits_and_scale()
        bits = sign(self.norm(x), self.surrogate)
        if torch.is_autocast_enabled(x.device.type):
            # Sums would be rounded to bfloat16 in any case, and scaling them is a pass over all maps.
            out: Tensor = F.conv2d(bits, weight * scale.view(-1, 1, 1, 1), **self.options)
        else:
            out = F.conv2d(bits, weight, **self.options) * scale.view(-1, 1, 1)
        return out if self.bias is None else out + self.bias.view(-1, 1, 1)

    def bits_and_scale(self) -> tuple[Tensor, Tensor]:
        """Weights of +-1 `(out, in, k, k)` and their scales `(out,)`."""
        return self.weight, self.scale


class LatentBinaryConv2d(BinaryConv2d):
    """The same convolution in training: bits and scales are made of float weights at every step."""

    def __init__(self, like: nn.Conv2d) -> None:
        super().__init__(like)
        del self.weight, self.scale
        self.weight = nn.Parameter(like.weight.detach().clone())

    def bits_and_scale(self) -> tuple[Tensor, Tensor]:
        """As they would be deployed, with gradients to the latent weights."""
        return xnor_weight(self.weight)

    @torch.no_grad()
    def settle(self) -> None:
        """Centre each filter's weights over its input channels and clip them to [-1, 1], after an optimiser's step.

        XNOR-Net's reference code does both: a weight that has run away could never change its sign again.
        """
        self.weight.sub_(self.weight.mean(1, keepdim=True)).clamp_(-1, 1)

    @torch.no_grad()
    def deployed(self) -> BinaryConv2d:
        """The layer that ships."""
        layer = BinaryConv2d(self.like())
        bits, scale = self.bits_and_scale()
        layer.weight, layer.scale = bits.detach().clone(), scale.detach().clone()
        layer.norm.load_state_dict(self.norm.state_dict())
        layer.surrogate = self.surrogate
        return layer.train(self.training)

    @classmethod
    def of(cls, convolution: nn.Conv2d) -> Self:
        """A binary convolution that starts from a float one's weights."""
        return cls(convolution)


class _XNORWeight(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, weight: Tensor) -> tuple[Tensor, Tensor]:
        context.save_for_backward(weight)
        return signs(weight), weight.abs().flatten(1).mean(1)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        (weight,) = context.saved_tensors
        bits, scale = gradients
        inside: Tensor = (weight.abs() <= 1).to(weight.dtype)
        share: Tensor = scale.view(-1, *[1] * (weight.dim() - 1)) / weight[0].numel()
        total: Tensor = bits * inside + share * weight.sign()
        return total


def xnor_weight(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Bits `sign(W)` and scales `mean |W|` a filter, the best one-bit approximation (Rastegari 2016, section 3.1).

    The gradient is that of the product scale * sign(W) with sign's replaced by 1{|W| <= 1}, the paper's equation 12.
    It prints 1/n + scale * 1{|W| <= 1} a weight, which drops the sum over the filter in the scale's own term; that
    sum is kept here, because it is what autograd gives.
    """
    bits, scale = _XNORWeight.apply(weight)  # type: ignore[no-untyped-call]
    return bits, scale
