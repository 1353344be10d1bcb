"""Norm balls over images: distance, projection, and the steepest step, for a whole batch at once."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Norm = Literal["linf", "l2"]


def distances(clean: Tensor, other: Tensor) -> dict[str, Tensor]:
    """`l0` (pixels that differ in any channel), `l2` and `linf` between image batches, each `(N,)`."""
    delta = (other - clean).flatten(2)
    return {
        "l0": (delta != 0).any(1).sum(1).to(torch.int32),
        "l2": delta.flatten(1).double().norm(dim=1).float(),
        "linf": delta.flatten(1).abs().amax(1),
    }


def project(images: Tensor, clean: Tensor, epsilon: Tensor, norm: Norm) -> Tensor:
    """The nearest point of the ball of radius `epsilon` `(N,)` round `clean` for linf, a point of it for l2, and of
    the box [0, 1].

    Box and linf ball are both boxes, so clipping to one and then the other is exact. For l2 the box comes last: it
    only ever moves a pixel towards `clean`, which is in the box, so the distance shrinks.
    """
    radius = epsilon.view(-1, *[1] * (images.dim() - 1))
    if norm == "linf":
        inside = torch.minimum(torch.maximum(images, clean - radius), clean + radius)
    else:
        delta = images - clean
        length = delta.flatten(1).norm(dim=1).view_as(radius)
        inside = clean + delta * (radius / length.clamp_min(1e-12)).clamp_max(1.0)
    return inside.clamp_(0.0, 1.0)


def steepest(gradient: Tensor, norm: Norm) -> Tensor:
    """The direction of unit norm along which a linear function with this gradient grows most; zero stays zero."""
    if norm == "linf":
        return gradient.sign()
    column = (-1, *[1] * (gradient.dim() - 1))
    # A saturated loss leaves gradients whose squares are zero in float32: scale by the largest cell before squaring.
    largest = gradient.flatten(1).abs().amax(1).view(column)
    scaled = gradient / largest.clamp_min(torch.finfo(gradient.dtype).tiny)
    length = scaled.flatten(1).norm(dim=1).view(column)
    return torch.where(largest > 0, scaled / length, 0.0)
