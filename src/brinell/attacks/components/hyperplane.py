"""The shortest way from an image to a hyperplane, inside the box [0, 1] (Croce & Hein 2020, FAB, section 2.3)."""

from __future__ import annotations

import torch
from torch import Tensor

from brinell.nn import BallNorm

_ITERATIONS = 30
_EXACT = 1e-6
"""Share of the way that rounding may leave."""
_FAR, _TINY = 1e30, 1e-38


def way_to_plane(images: Tensor, normal: Tensor, gap: Tensor, norm: BallNorm) -> Tensor:
    """The smallest `d` with `<normal, d> = gap` `(N,)` and `images + d` in the box.

    Where the plane does not meet the box, the corner nearest to it.
    """
    weights = normal.flatten(1) * gap.sign()[:, None]
    room = (weights > 0).to(weights).sub_(images.flatten(1)).abs_()
    sizes, wanted = weights.abs(), gap.abs()
    signs = weights.sign_()
    if norm == "l1":
        return _dearest_first(sizes, room, wanted).mul_(signs).view_as(images)
    slopes = sizes.square() if norm == "l2" else sizes
    multiplier = _multiplier(slopes, sizes * room, wanted)[:, None]
    moved = torch.minimum(sizes.mul_(multiplier) if norm == "l2" else multiplier, room, out=room)
    return moved.mul_(signs).view_as(images)


def _multiplier(slopes: Tensor, most: Tensor, wanted: Tensor) -> Tensor:
    """The m at which `sum min(m * slopes, most)` is `wanted`; enormous where it never is.

    The sum is concave in m, so that Newton's method comes from below, does not go past, and is exact once it is on the
    right one of its straight pieces. Nothing large is allocated inside the loop.
    """
    multiplier = (wanted / slopes.sum(1).clamp_min(_TINY)).clamp_(0, _FAR)
    reach, inside = torch.empty_like(slopes), torch.empty_like(slopes, dtype=torch.bool)
    for _ in range(_ITERATIONS):
        torch.mul(slopes, multiplier[:, None], out=reach)
        torch.lt(reach, most, out=inside)
        short = wanted - torch.minimum(reach, most, out=reach).sum(1)
        going = short > _EXACT * wanted
        if wanted.device.type == "cpu" and not bool(going.any()):
            break
        slope = torch.mul(slopes, inside, out=reach).sum(1)
        further = torch.where(slope > 0, short / slope.clamp_min(_TINY), _FAR)
        multiplier = torch.where(going, (multiplier + further).clamp_max(_FAR), multiplier)
    return multiplier


def _dearest_first(sizes: Tensor, room: Tensor, wanted: Tensor) -> Tensor:
    """L1: values of large weight move as far as they can, until the plane is reached."""
    order = sizes.argsort(dim=1, descending=True)
    gains = (sizes * room).gather(1, order)
    before = gains.cumsum(1) - gains
    share = ((wanted[:, None] - before) / gains.clamp_min(_TINY)).clamp(0, 1)
    return torch.zeros_like(sizes).scatter(1, order, share * room.gather(1, order))
