"""DDN: gradient steps on a sphere that shrinks at every success and grows otherwise (Rony et al. 2019)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from brinell.attacks.components.nearest_so_far import NearestSoFar, clears, crafted_nearest
from brinell.attacks.harness.attack import Attack, Batch, Crafted, broadcast_per_image
from brinell.attacks.harness.losses import LOSSES, Loss, check_classes
from brinell.attacks.harness.oracle import Oracle, Precision
from brinell.core import Point
from brinell.nn import DistanceNorm, distance, gaussian, steepest


class DDN(Attack):
    """Decoupled direction and norm: the nearest success in l2.

    Algorithm 1 of the paper: a step along the gradient, whose length falls from 1 to 0.01 along a cosine, and then the
    perturbation is scaled to a length of its own, which shrinks by the factor 1 - `gamma` where the image has succeeded
    and grows by 1 + `gamma` otherwise, from `initial_norm` on. `levels` rounds every iterate to so many grey levels, as
    the paper does for images (0: none). Where the gradient is zero the step is random. The schedule depends on
    `steps`, so that each number of steps is a run of its own.

    Examples:
        >>> import brinell
        >>> images, labels = brinell.data.build("digits", split="test", examples=4).tensors()
        >>> attack = brinell.attacks.DDN(steps=3)
        >>> brinell.attack(brinell.models.build("resnet8"), images, labels, attack).success.shape
        torch.Size([4])
    """

    kind = "ddn"
    sweepable: ClassVar[frozenset[str]] = frozenset({"steps"})
    skips_misclassified: ClassVar[bool] = True

    steps: int = Field(100, ge=1)
    """Number of steps."""
    gamma: float = Field(0.05, gt=0, lt=1)
    """Relative change of the length in each step."""
    initial_norm: float = Field(1.0, gt=0)
    """Length of the first perturbation, in input units."""
    levels: int = Field(256, ge=0)
    """Number of grey levels that iterates are rounded to; 0: no rounding."""
    loss: Loss = "cross_entropy"
    """Loss that is raised: `cross_entropy`, `margin` or `dlr`."""
    precision: Precision = "float32"
    """Precision of gradients and scores; success is confirmed in float32 in any case."""
    samples: int = Field(1, ge=1)
    """Passes that each gradient and each look at the logits is the mean of, for networks that draw random numbers."""

    @property
    def random(self) -> bool:
        """It is where gradients are zero."""
        return True

    @property
    def distance_norm(self) -> DistanceNorm:
        """L2."""
        return "l2"

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
        found = {
            steps: self._run(oracle, batch, steps, seed, done[place], done[-1]) for place, steps in enumerate(wanted)
        }
        return crafted_nearest([found[point.steps] for point in points])

    def _run(self, oracle: Oracle, batch: Batch, steps: int, seed: int, done: int, total: int) -> NearestSoFar:
        clean, shape = batch.images, tuple(batch.images.shape[1:])
        best, everyone = NearestSoFar.none(batch, zeros=True), torch.arange(len(clean), device=clean.device)
        longest = distance(clean, (clean < 0.5).to(clean), "l2")
        norm = torch.full_like(longest, self.initial_norm)
        images = clean

        def objective(logits: Tensor) -> Tensor:
            check_classes(self.loss, logits.shape[1], batch.targets is not None)
            return LOSSES[self.loss](logits, batch.labels, batch.targets)

        for step in range(steps):
            oracle.report_progress(done + step, total)
            logits, _, gradient = oracle.gradient(images, objective)
            success = clears(logits, batch.labels, batch.targets)
            best.improve(everyone, torch.where(success, distance(clean, images, "l2"), torch.inf), images, step)
            zero = (gradient == 0).flatten(1).all(1)
            best.spend(zero=zero)
            noise = gaussian(seed, "ddn", batch.ids, shape, step) if bool(zero.any()) else gradient
            direction = steepest(torch.where(zero[:, None, None, None], noise, gradient), "l2")
            norm = torch.minimum(norm * torch.where(success, 1 - self.gamma, 1 + self.gamma), longest)
            delta = images - clean + _cosine(step / steps, 1.0, 0.01) * direction
            length = distance(clean, clean + delta, "l2").clamp_min(1e-12)
            images = (clean + broadcast_per_image(norm / length, clean) * delta).clamp_(0.0, 1.0)
            if self.levels:
                images = (images * (self.levels - 1)).round_() / (self.levels - 1)
        return best.confirmed(oracle, batch)


def _cosine(progress: float, first: float, last: float) -> float:
    return last + (first - last) * (1 + math.cos(math.pi * progress)) / 2
