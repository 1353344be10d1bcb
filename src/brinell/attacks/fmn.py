"""FMN: gradient steps in a ball that closes in on the boundary, in four norms (Pintor et al. 2021)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import ClassVar, Final

import torch
from pydantic import Field
from torch import Tensor

from brinell.attacks.components.nearest_so_far import NearestSoFar, clears, crafted_nearest, slack
from brinell.attacks.harness.attack import Attack, Batch, Crafted
from brinell.attacks.harness.losses import check_classes, margin_loss
from brinell.attacks.harness.oracle import Oracle, Precision
from brinell.core import Point
from brinell.nn import DistanceNorm, distance, project, steepest

_DUAL: Final[dict[DistanceNorm, DistanceNorm]] = {"linf": "l1", "l2": "l2", "l1": "linf"}


class FMN(Attack):
    """Fast minimum norm: the nearest success in l0, l1, l2 or linf.

    Algorithm 1 of the paper: a step along the margin's gradient, of length `step_size` falling to a hundredth of it
    along a cosine, and then the nearest point of a ball. Its radius shrinks by the factor 1 - gamma where the image
    has succeeded, to no more than the nearest success, and grows by 1 + gamma where an earlier iterate has; before the
    first success it is the distance of the boundary as if that were flat. gamma falls from `gamma` to `last_gamma`.
    For `l0`, which counts values (of pixels in channels), the radius changes by one at least. The l1 ball is projected
    on together with the box; the authors' code clips to the box afterwards. The paper's optional start from
    adversarial images is left out. The schedule depends on `steps`, so that each number of steps is a run of its own.

    Examples:
        >>> import brinell
        >>> images, labels = brinell.data.build("digits", split="test", examples=4).tensors()
        >>> attack = brinell.attacks.FMN(steps=3, norm="linf")
        >>> brinell.attack(brinell.models.build("resnet8"), images, labels, attack).success.shape
        torch.Size([4])
    """

    kind = "fmn"
    sweepable: ClassVar[frozenset[str]] = frozenset({"steps"})
    skips_misclassified: ClassVar[bool] = True

    steps: int = Field(100, ge=1)
    """Number of steps."""
    norm: DistanceNorm = "l2"
    """Norm that is minimised: `linf`, `l2`, `l1` or `l0`."""
    step_size: float = Field(1.0, gt=0)
    """Length of the first step in l2, in input units."""
    gamma: float = Field(0.05, gt=0, lt=1)
    """Relative change of the radius in the first step."""
    last_gamma: float = Field(0.001, gt=0, lt=1)
    """Relative change of the radius in the last step."""
    precision: Precision = "float32"
    """Precision of gradients and scores; success is confirmed in float32 in any case."""
    samples: int = Field(1, ge=1)
    """Passes that each gradient and each look at the logits is the mean of, for networks that draw random numbers."""

    @property
    def point(self) -> Point:
        """No radius; the number of steps."""
        return Point(None, self.steps)

    def clip(self, candidates: Tensor, clean: Tensor, epsilon: float | None) -> Tensor:
        """Inside the box."""
        return candidates.clamp(0.0, 1.0)

    def craft(
        self, oracle: Oracle, batch: Batch, points: Sequence[Point], *, seed: int, trace_every: int | None
    ) -> Crafted:
        """A run for each number of steps."""
        wanted = sorted({point.steps for point in points})
        done = list(accumulate(wanted, initial=0))
        found = {steps: self._run(oracle, batch, steps, done[place], done[-1]) for place, steps in enumerate(wanted)}
        return crafted_nearest([found[point.steps] for point in points])

    def _run(self, oracle: Oracle, batch: Batch, steps: int, done: int, total: int) -> NearestSoFar:
        clean, best = batch.images, NearestSoFar.none(batch, zeros=True)
        everyone = torch.arange(len(clean), device=clean.device)
        start = 1.0 if self.norm == "l0" else torch.inf
        images, radius = clean, torch.full((len(clean),), start, device=clean.device)

        def objective(logits: Tensor) -> Tensor:
            check_classes("margin", logits.shape[1], batch.targets is not None)
            return margin_loss(logits, batch.labels, batch.targets)

        for step in range(steps):
            oracle.report_progress(done + step, total)
            logits, gap, gradient = oracle.gradient(images, objective)
            best.spend(zero=(gradient == 0).flatten(1).all(1))
            success = clears(logits, batch.labels, batch.targets)
            now = distance(clean, images, self.norm)
            best.improve(everyone, torch.where(success, now, torch.inf), images, step)
            seen = _Seen(success, best.distance, now, 2 * slack(logits) - gap, gradient)
            radius = self._radius(radius, seen, _cosine(step / steps, self.gamma, self.last_gamma))
            size = _cosine(step / steps, self.step_size, self.step_size / 100)
            images = project(images + size * steepest(gradient, "l2"), clean, radius, self.norm)
        return best.confirmed(oracle, batch)

    def _radius(self, radius: Tensor, seen: _Seen, gamma: float) -> Tensor:
        """The next ball's."""
        if self.norm == "l0":
            smaller = torch.minimum(radius - 1, (radius * (1 - gamma)).floor())
            larger = torch.maximum(radius + 1, (radius * (1 + gamma)).floor())
            return torch.where(seen.success, torch.minimum(smaller, seen.nearest), larger).clamp_min(0)
        slope = distance(torch.zeros_like(seen.gradient), seen.gradient, _DUAL[self.norm])
        flat = seen.now + seen.gap.clamp_min(0) / slope.clamp_min(1e-12)
        larger = torch.where(seen.nearest < torch.inf, radius * (1 + gamma), flat)
        return torch.where(seen.success, torch.minimum(radius * (1 - gamma), seen.nearest), larger)


@dataclass(frozen=True)
class _Seen:
    """An iterate: whether it is a success, the nearest success so far, its distance, the margin that it lacks, and its
    gradient."""

    success: Tensor
    nearest: Tensor
    now: Tensor
    gap: Tensor
    gradient: Tensor


def _cosine(progress: float, first: float, last: float) -> float:
    return last + (first - last) * (1 + math.cos(math.pi * progress)) / 2
