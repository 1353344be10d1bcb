"""Binary convolutions: batch norm, sign, convolution with weights of +-1, one scale a filter (XNOR-Net)."""

from __future__ import annotations

from math import prod
from typing import Any, ClassVar, Final, Literal, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from brinell.nn.autocast import is_autocast
from brinell.nn.binary_layers.binary_activation import normed_signs
from brinell.nn.binary_layers.binary_layer import BinaryLayer
from brinell.nn.binary_layers.straight_through import sign, signs

WeightGradient = Literal["product", "paper", "clip"]
"""Rules for the gradient of latent weights (`xnor_weight`)."""

_TINY: Final = 1e-12
"""A scale below which a filter counts as zero."""


class BinaryConv2d(BinaryLayer):
    """A deployed binary convolution: `scale * conv(sign(norm(x)), weight)` with weights of +-1.

    Sums of +-1 are exact in float32, so that any kernel (float, or XNOR and popcount) gives bit-equal results. With
    `input_scale`, the output is multiplied by K as well, the mean |norm(x)| of what each window covers.
    """

    weight_tensors: ClassVar[tuple[str, ...]] = ("weight", "scale")
    weight: Tensor
    scale: Tensor

    def __init__(self, like: nn.Conv2d, *, input_scale: bool = False) -> None:
        super().__init__(like)
        self.input_scale = input_scale
        self.register_buffer("weight", like.weight.detach().new_ones(like.weight.shape))
        self.register_buffer("scale", torch.ones(like.out_channels))

    def forward(self, x: Tensor) -> Tensor:
        """`(N, in, H, W)` to `(N, out, H', W')`."""
        weight, scale = self.bits_and_scale()
        normed = self.norm(x) if self.input_scale else None
        bits = normed_signs(self.norm, x, self.surrogate) if normed is None else sign(normed, self.surrogate)
        if self.training or is_autocast(x):
            # Scaling sums is a pass over all maps, and its gradient three more. Evaluation alone has to be bit-equal.
            out: Tensor = F.conv2d(bits, weight * scale.view(-1, 1, 1, 1), **self.options)
        else:
            out = F.conv2d(bits, weight, **self.options) * scale.view(-1, 1, 1)
        if normed is not None:
            out = out * self.input_scales(normed)
        return out if self.bias is None else out + self.bias.view(-1, 1, 1)

    def input_scales(self, normed: Tensor) -> Tensor:
        """K of Rastegari's section 3.2, for each output channel or the same for all: `(N, 1 or out, H', W')`."""
        groups = self.options["groups"]
        size = normed.abs().unflatten(1, (groups, -1)).mean(2)
        window = normed.new_full((groups, 1, *self.kernel_size), 1 / prod(self.kernel_size))
        scales = F.conv2d(size, window, **self.options)
        return scales.repeat_interleave(self.out_channels // groups, 1) if groups > 1 else scales

    def bits_and_scale(self) -> tuple[Tensor, Tensor]:
        """Weights of +-1 `(out, in, k, k)` and their scales `(out,)`."""
        return self.weight, self.scale


class LatentBinaryConv2d(BinaryConv2d):
    """The same convolution in training: bits and scales are made of float weights at every step."""

    def __init__(self, like: nn.Conv2d, *, input_scale: bool = False, gradient: WeightGradient = "product") -> None:
        super().__init__(like, input_scale=input_scale)
        self.gradient: WeightGradient = gradient
        del self.weight, self.scale
        self.weight = nn.Parameter(like.weight.detach().clone())

    def bits_and_scale(self) -> tuple[Tensor, Tensor]:
        """As they would be deployed, with gradients to the latent weights."""
        return xnor_weight(self.weight, self.gradient)

    @torch.no_grad()
    def settle(self) -> None:
        """Centre each filter's weights over its input channels and clip them to [-1, 1], after an optimiser's step.

        XNOR-Net's reference code does both: a weight that has run away could never change its sign again. A filter of
        one input channel (of a depthwise convolution, say) is not centred: its only channel is its mean, and all its
        weights would become zero.
        """
        if self.weight.shape[1] > 1:
            self.weight.sub_(self.weight.mean(1, keepdim=True))
        self.weight.clamp_(-1, 1)

    @torch.no_grad()
    def deployed(self) -> BinaryConv2d:
        """The layer that ships."""
        layer = BinaryConv2d(self.like(), input_scale=self.input_scale)
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
    def forward(context: Any, weight: Tensor, rule: WeightGradient) -> tuple[Tensor, Tensor]:
        scale = weight.abs().flatten(1).mean(1)
        context.save_for_backward(weight, scale)
        context.rule = rule
        return signs(weight), scale

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        weight, alpha = context.saved_tensors
        by_bits, by_alpha = gradients
        rows = (-1, *[1] * (weight.dim() - 1))
        inside: Tensor = (weight.abs() <= 1).to(weight.dtype)
        if context.rule == "product":
            return by_bits * inside + (by_alpha / weight[0].numel()).view(rows) * weight.sign(), None
        # by_bits is alpha times the gradient of the product, which these two rules are about.
        if context.rule == "clip":
            return by_bits / alpha.clamp_min(_TINY).view(rows) * inside, None
        return by_bits / alpha.clamp_min(_TINY).view(rows) * (alpha.view(rows) * inside + 1 / weight[0].numel()), None


def xnor_weight(weight: Tensor, rule: WeightGradient = "product") -> tuple[Tensor, Tensor]:
    """Bits `sign(W)` and scales `mean |W|` a filter, the best one-bit approximation (Rastegari 2016, section 3.1).

    With G the gradient of the product alpha * sign(W), alpha the scale and n the weights of a filter, the gradient is

    - `product`: G * alpha * 1{|W| <= 1} + sign(W) / n * sum over the filter of G * sign(W): what autograd gives where
      sign's derivative is 1{|W| <= 1};
    - `paper`: G * (alpha * 1{|W| <= 1} + 1 / n), as equation 12 prints it, which drops the sum in the scale's own term;
    - `clip`: G * 1{|W| <= 1}, as much public code has it (Courbariaux 2016): the scale passes gradients unchanged.

    Args:
        weight: `(O, I, H, W)`, or `(O, I)`.
        rule: `product`, `paper` or `clip`.

    Returns:
        Bits of the shape of `weight`, and scales that are broadcast to it.

    Examples:
        >>> import torch
        >>> bits, scale = xnor_weight(torch.tensor([[[[0.5, -1.5]]]]))
        >>> bits.flatten().tolist(), scale.item()
        ([1.0, -1.0], 1.0)
    """
    bits, scale = _XNORWeight.apply(weight, rule)  # type: ignore[no-untyped-call]
    return bits, scale
