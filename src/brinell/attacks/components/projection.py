"""Mechanism shared by the attacks that walk inside a ball."""

from __future__ import annotations

import torch
from torch import Tensor

from brinell.nn import DistanceNorm, Norm, gaussian, project, uniform


def clip_to_ball(candidates: Tensor, clean: Tensor, epsilon: float | None, norm: DistanceNorm) -> Tensor:
    """Candidates clipped to the ball of radius `epsilon` round `clean` and to the box [0, 1]."""
    radius = torch.full((len(clean),), epsilon or 0.0, dtype=clean.dtype, device=clean.device)
    return project(candidates, clean, radius, norm)


def random_start(clean: Tensor, radius: Tensor, ids: Tensor, norm: Norm, *, seed: int, restart: int) -> Tensor:
    """A point of the ball of radius `(N,)`, keyed by example: uniform for linf; for l2 uniform in the ball.

    The same example has the same noise at every radius, scaled: a sweep over epsilon differs in nothing else.
    """
    shape = tuple(clean.shape[1:])
    scale = radius.view(-1, *[1] * (clean.dim() - 1))
    if norm == "linf":
        noise = uniform(seed, "random start", ids, shape, restart) * 2 - 1
        return (clean + scale * noise).clamp_(0.0, 1.0)
    direction = gaussian(seed, "random start", ids, shape, restart)
    direction = direction / direction.flatten(1).norm(dim=1).view_as(scale).clamp_min(1e-12)
    length: Tensor = uniform(seed, "random radius", ids, (1, 1, 1), restart) ** (1 / clean[0].numel())
    start: Tensor = clean + scale * length * direction
    return start.clamp_(0.0, 1.0)
