"""Norm balls over images: distance, projection, and the steepest step, for a whole batch at once."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Norm = Literal["linf", "l2"]
BallNorm = Literal["linf", "l2", "l1"]
DistanceNorm = Literal["linf", "l2", "l1", "l0"]


def distances(clean: Tensor, other: Tensor) -> dict[str, Tensor]:
    """`l0` (pixels that differ in any channel), `l1`, `l2` and `linf` between image batches, each `(N,)`.

    Args:
        clean: `(N, C, H, W)`.
        other: Images of the same shape.

    Returns:
        Distances by the name of the norm; float32, and int32 for `l0`.

    Examples:
        >>> import torch
        >>> found = distances(torch.zeros(1, 3, 2, 2), torch.ones(1, 3, 2, 2))
        >>> int(found["l0"]), float(found["l1"])
        (4, 12.0)
    """
    delta = (other - clean).flatten(2)
    return {
        "l0": (delta != 0).any(1).sum(1).to(torch.int32),
        "l1": delta.flatten(1).double().abs().sum(1).float(),
        "l2": delta.flatten(1).double().norm(dim=1).float(),
        "linf": delta.flatten(1).abs().amax(1),
    }


def distance(clean: Tensor, other: Tensor, norm: DistanceNorm) -> Tensor:
    """The distance of each pair of images in one norm, `(N,)`; `l0` counts values, not pixels.

    Args:
        clean: `(N, C, H, W)`.
        other: Images of the same shape.
        norm: `l0`, `l1`, `l2` or `linf`.

    Returns:
        In units of the images, [0, 1]; for `l0` a number of values.

    Examples:
        >>> import torch
        >>> distance(torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2), "l2")
        tensor([2.])
    """
    delta = (other - clean).flatten(1)
    if norm == "l0":
        return (delta != 0).sum(1).to(delta.dtype)
    length: Tensor = torch.linalg.vector_norm(delta, {"l1": 1, "l2": 2, "linf": torch.inf}[norm], dim=1)
    return length


def project(images: Tensor, clean: Tensor, epsilon: Tensor, norm: DistanceNorm) -> Tensor:
    """The nearest point of the ball of radius `epsilon` `(N,)` round `clean` and of the box [0, 1].

    Exact for linf and l1. For l2 a point of both: the box comes last, which only ever moves a pixel towards `clean`, so
    that the distance shrinks. For l0 the `epsilon` largest changes of values are kept, and then clipped.

    Args:
        images: `(N, C, H, W)`.
        clean: The middles of the balls, in [0, 1].
        epsilon: At least 0, in units of the images; for `l0` a number of values.
        norm: `l0`, `l1`, `l2` or `linf`.

    Returns:
        Images of the same shape.

    Examples:
        >>> import torch
        >>> project(torch.ones(1, 1, 1, 1), torch.zeros(1, 1, 1, 1), torch.tensor([0.25]), "linf").item()
        0.25
    """
    radius = epsilon.view(-1, *[1] * (images.dim() - 1))
    if norm == "linf":
        inside = torch.minimum(torch.maximum(images, clean - radius), clean + radius)
        return inside.clamp_(0.0, 1.0)
    if norm == "l1":
        return _project_l1(images, clean, epsilon)
    delta = images - clean
    if norm == "l0":
        sparse: Tensor = clean + _largest(delta, epsilon)
        return sparse.clamp_(0.0, 1.0)
    length = delta.flatten(1).norm(dim=1).view_as(radius)
    scaled: Tensor = clean + delta * (radius / length.clamp_min(1e-12)).clamp_max(1.0)
    return scaled.clamp_(0.0, 1.0)


def _largest(delta: Tensor, count: Tensor) -> Tensor:
    """The `count` `(N,)` largest values of each row's size, the rest zero."""
    flat = delta.flatten(1)
    order = flat.abs().argsort(dim=1, descending=True)
    keep = torch.arange(flat.shape[1], device=flat.device) < count[:, None]
    return torch.zeros_like(flat).scatter(1, order, flat.gather(1, order) * keep).view_as(delta)


def _project_l1(images: Tensor, clean: Tensor, epsilon: Tensor) -> Tensor:
    """Each value's change shrinks by one amount an image, and ends at the box (Croce & Hein 2021, proposition 2.1).

    What is left of the changes, as a function of that amount, falls along straight lines between the points at which a
    value begins to move in from the box and those at which it is back: its crossing of `epsilon` is found exactly.
    """
    delta = (images - clean).flatten(1)
    size = delta.abs()
    room = torch.where(delta > 0, 1 - clean.flatten(1), clean.flatten(1)).clamp_min(0)
    begins = (size - room).clamp_min(0)
    values, order = torch.cat([begins, size], dim=1).sort(dim=1)
    moving = torch.where(order < size.shape[1], 1, -1).cumsum(1).double()
    total = torch.minimum(size, room).double().sum(1, keepdim=True)
    fallen = (moving[:, :-1] * values.double().diff(dim=1)).cumsum(1)
    left = total - torch.nn.functional.pad(fallen, (1, 0))
    wanted = epsilon.double()[:, None]
    last = (left >= wanted).sum(1, keepdim=True).sub(1).clamp_min(0)
    excess = (left.gather(1, last) - wanted) / moving.gather(1, last).clamp_min(1)
    amount = torch.where(total > wanted, values.gather(1, last) + excess, 0.0).to(size.dtype)
    kept = torch.minimum((size - amount).clamp_min(0), room)
    return (clean + (kept * delta.sign()).view_as(clean)).clamp_(0.0, 1.0)


def steepest(gradient: Tensor, norm: Norm) -> Tensor:
    """The direction of unit norm along which a linear function with this gradient grows most; zero stays zero.

    Args:
        gradient: `(N, C, H, W)`.
        norm: `l2` or `linf`.

    Returns:
        Of the same shape.

    Examples:
        >>> import torch
        >>> steepest(torch.tensor([[[[3.0, -4.0]]]]), "l2").flatten().tolist()
        [0.6000000238418579, -0.800000011920929]
    """
    if norm == "linf":
        return gradient.sign()
    column = (-1, *[1] * (gradient.dim() - 1))
    # A saturated loss leaves gradients whose squares are zero in float32: scale by the largest cell before squaring.
    largest = gradient.flatten(1).abs().amax(1).view(column)
    scaled = gradient / largest.clamp_min(torch.finfo(gradient.dtype).tiny)
    length = scaled.flatten(1).norm(dim=1).view(column)
    return torch.where(largest > 0, scaled / length, 0.0)
