"""ABC-Net's convolution: M binary weights by N binary activations, computed as one convolution (Lin 2017)."""

from __future__ import annotations

from typing import Any, ClassVar, Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from brinell.nn.binary_layers.binary_activation import normed_staircase
from brinell.nn.binary_layers.binary_layer import BinaryLayer
from brinell.nn.binary_layers.straight_through import signs

RIDGE: Final = 1e-6
"""Added to the diagonal of the bases' mean products (1 there): two equal bases share what one would have."""


class ABCConv2d(BinaryLayer):
    """A deployed ABC-Net convolution: `sum_m sum_n alphas[m] heights[n] conv(A_n, bits[m])` over batch-normed inputs.

    Convolution is bilinear, so it is computed as one, `conv(sum_n heights[n] A_n, sum_m alphas[m] bits[m])`, here and
    in training by the same operations: outputs are bit-equal. M x N packed kernels differ by float rounding alone.
    """

    weight_tensors: ClassVar[tuple[str, ...]] = ("weight", "bits", "alphas")
    bits: Tensor
    """+-1, `(M, out, in / groups, height, width)`."""
    alphas: Tensor
    """`(M, out)`, or `(M, 1)` where a base has one for the whole layer."""

    def __init__(self, like: nn.Conv2d, weight_bases: int, activation_bases: int, *, per_filter: bool = True) -> None:
        super().__init__(like)
        self.weight_bases, self.activation_bases, self.per_filter = weight_bases, activation_bases, per_filter
        self.register_buffer("bits", torch.ones(weight_bases, *self.weight_shape))
        self.register_buffer("alphas", torch.ones(weight_bases, like.out_channels if per_filter else 1))
        # Distinct from the start: equal shifts would have equal gradients, and the bases would stay one.
        self.shifts = nn.Parameter(0.5 - spread(activation_bases))
        self.heights = nn.Parameter(torch.full((activation_bases,), 1 / activation_bases))

    def forward(self, x: Tensor) -> Tensor:
        """`(N, in, H, W)` to `(N, out, H', W')`."""
        activations = normed_staircase(self.norm, x, self.shifts, self.heights, self.surrogate)
        return F.conv2d(activations, self.kernel(), self.bias, **self.options)

    def kernel(self) -> Tensor:
        """The bases' sum, of the shape of the float weights that it approximates."""
        return weighted_sum(self.bits, self.alphas)


class LatentABCConv2d(ABCConv2d):
    """The same convolution in training: bits and alphas are made of float weights at every step."""

    def __init__(self, like: nn.Conv2d, weight_bases: int, activation_bases: int, *, per_filter: bool = True) -> None:
        super().__init__(like, weight_bases, activation_bases, per_filter=per_filter)
        del self.bits, self.alphas
        self.weight = nn.Parameter(like.weight.detach().clone())

    def kernel(self) -> Tensor:
        """As it would be deployed, with gradients to the latent weights."""
        result: Tensor = _Approximation.apply(self.weight, self.weight_bases, self.per_filter)  # type: ignore[no-untyped-call]
        return result

    @torch.no_grad()
    def deployed(self) -> ABCConv2d:
        """The layer that ships."""
        layer = ABCConv2d(self.like(), self.weight_bases, self.activation_bases, per_filter=self.per_filter)
        layer.bits, layer.alphas = bases(self.weight.detach(), self.weight_bases, self.per_filter)
        layer.shifts.copy_(self.shifts)
        layer.heights.copy_(self.heights)
        layer.norm.load_state_dict(self.norm.state_dict())
        layer.surrogate = self.surrogate
        return layer.train(self.training)


class _Approximation(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, weight: Tensor, count: int, per_filter: bool) -> Tensor:
        return weighted_sum(*bases(weight, count, per_filter))

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return gradients[0], None, None


def spread(count: int) -> Tensor:
    """`count` numbers evenly from -1 to 1; 0 if it is one."""
    return torch.linspace(-1, 1, count) if count > 1 else torch.zeros(1)


@torch.no_grad()
def bases(weight: Tensor, count: int, per_filter: bool) -> tuple[Tensor, Tensor]:
    """Bits `B_m = sign(W - mean + u_m * std)` and the alphas with which they come nearest to W in least squares.

    `weight` is `(out, ...)`; bits are `(count, out, ...)`, alphas `(count, out)`. Mean, deviation and alphas are each
    filter's own, or the whole layer's (alphas `(count, 1)`). u_m are `spread(count)` (Lin 2017, section 3.1).
    """
    rows = weight.contiguous().view(len(weight) if per_filter else 1, -1)  # in one order, whatever the layout
    deviation, mean = torch.std_mean(rows, 1, correction=0, keepdim=True)
    shifts = spread(count).to(weight.device)[:, None, None]
    bits = signs(rows - mean + shifts * deviation)
    with torch.autocast(weight.device.type, enabled=False):
        sides = bits.transpose(0, 1)
        products = (sides @ sides.mT).double() / rows.shape[1]
        target = (sides @ rows[:, :, None]).double() / rows.shape[1]
        products.diagonal(dim1=1, dim2=2).add_(RIDGE)
        alphas = torch.linalg.solve(products, target).to(weight.dtype)[:, :, 0].T.contiguous()
    return bits.view(count, *weight.shape), alphas


def weighted_sum(bits: Tensor, alphas: Tensor) -> Tensor:
    """`sum_m alphas[m] * bits[m]`, base after base.

    Args:
        bits: `(M, N, ...)`, the bases.
        alphas: `(M,)`, or `(M, N)` with one for each row.

    Returns:
        `(N, ...)`.

    Examples:
        >>> weighted_sum(torch.tensor([[1.0, -1.0], [-1.0, -1.0]]), torch.tensor([3.0, 1.0]))
        tensor([ 2., -4.])
    """
    scales = alphas.view(*alphas.shape, *[1] * (bits.dim() - 2))
    total = scales[0] * bits[0]
    for scale, base in zip(scales[1:], bits[1:], strict=True):
        total.addcmul_(scale, base)
    return total
