"""DeepFool: steps to the nearest linearised decision boundary (Moosavi-Dezfooli, Fawzi & Frossard 2016)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from brinell.attacks.components.best_so_far import BestSoFar
from brinell.attacks.harness.attack import Attack, Batch, Crafted, broadcast_per_image
from brinell.attacks.harness.oracle import Oracle
from brinell.core import OmitDefaultFromKey, Point
from brinell.nn import Norm, steepest

_NUDGE = 1e-4
"""Added to the distance of a boundary, as the authors' code does, so that a step never has length zero."""


class DeepFool(Attack):
    """Step to the nearest of the boundaries to the best classes, as if they were flat, until the label flips.

    Minimum-norm: there is no epsilon, the distance is the result. Algorithm 2 of the paper for `l2`, its section 3.3
    for `linf`. The authors' code goes `overshoot` beyond with the whole perturbation so far at every step, and so does
    this one. The `candidates` are the label and the best other classes on the clean image. Untargeted only.

    Examples:
        >>> import brinell
        >>> images, labels = brinell.data.build("digits", split="test", examples=4).tensors()
        >>> attack = brinell.attacks.DeepFool(steps=2, candidates=3)
        >>> brinell.attack(brinell.models.build("resnet8"), images, labels, attack).success.shape
        torch.Size([4])
    """

    kind = "deepfool"
    revision: ClassVar[int] = 2
    sweepable: ClassVar[frozenset[str]] = frozenset({"steps"})
    skips_misclassified: ClassVar[bool] = True
    takes_targets: ClassVar[bool] = False

    steps: int = Field(50, ge=1)
    """Largest number of steps."""
    candidates: int = Field(10, ge=2)
    """Number of classes with the highest logits that are considered, the label included."""
    overshoot: float = Field(0.02, ge=0)
    """Relative extension of the perturbation beyond the linearised boundary."""
    norm: Norm = "l2"
    """Norm that is minimised: `l2` or `linf`."""
    samples: Annotated[int, OmitDefaultFromKey()] = Field(1, ge=1)
    """Passes that each gradient and each look at the logits is the mean of, for networks that draw random numbers."""

    @property
    def point(self) -> Point:
        """No radius; the number of steps."""
        return Point(None, self.steps)

    @property
    def passes(self) -> float:
        """A look, a pass, and a gradient for each other candidate, in every step."""
        return 2.0 * self.steps * self.candidates * self.samples

    def clip(self, candidates: Tensor, clean: Tensor, epsilon: float | None) -> Tensor:
        """Inside the box."""
        return candidates.clamp(0.0, 1.0)

    def craft(
        self, oracle: Oracle, batch: Batch, points: Sequence[Point], *, seed: int, trace_every: int | None
    ) -> Crafted:
        """All numbers of steps from one pass; an example that has flipped leaves the batch."""
        readings = BestSoFar(batch.images, points)
        walkers = _Walkers.begin(batch)
        for step in range(readings.steps[-1]):
            oracle.report_progress(step, readings.steps[-1])
            # Who has flipped is asked without gradients first: K backward passes cost far more than one forward pass.
            logits = oracle.logits(walkers.images)
            readings.spend(step, walkers.index, backwards=0)
            broken = oracle.confirmed(walkers.images, logits, walkers.labels, None)
            readings.succeed(step, walkers.index[broken], walkers.images[broken])
            walkers = walkers.at(~broken)
            if not len(walkers.index):
                break
            if walkers.classes is None:
                walkers.classes = _best(logits[~broken], walkers.labels, self.candidates)
            gaps, gradients = oracle.differences(walkers.images, walkers.labels, walkers.classes)
            zero = (gradients.flatten(1) == 0).all(1)
            readings.spend(step, walkers.index, backwards=gaps.shape[1], zero=zero)
            walkers.move(self._step(gaps, gradients), 1 + self.overshoot)
            readings.keep(step + 1, walkers.index, walkers.images)
        return readings.crafted()

    def _step(self, gaps: Tensor, gradients: Tensor) -> Tensor:
        """The shortest step to the nearest boundary, `(n, C, H, W)`; zero where no gradient leads anywhere."""
        flat = gradients.flatten(2)
        largest = flat.abs().amax(2, keepdim=True).clamp_min(torch.finfo(flat.dtype).tiny)
        scaled = flat / largest  # squares of small gradients are zero in float32
        length = scaled.norm(dim=2) if self.norm == "l2" else scaled.abs().sum(2)
        distance = torch.where(length > 0, gaps.abs() / largest[..., 0] / length, torch.inf)
        nearest = distance.argmin(1)
        rows = torch.arange(len(nearest), device=nearest.device)
        gradient, size = gradients[rows, nearest], distance[rows, nearest] + _NUDGE
        size = torch.where(size.isfinite(), size, 0.0)
        return broadcast_per_image(size, gradient) * steepest(gradient, self.norm)


@dataclass
class _Walkers:
    """Examples that have not flipped yet, and the perturbation of each before it goes beyond."""

    index: Tensor
    clean: Tensor
    labels: Tensor
    images: Tensor
    total: Tensor
    classes: Tensor | None

    @classmethod
    def begin(cls, batch: Batch) -> _Walkers:
        index = torch.arange(len(batch.images), device=batch.images.device)
        return cls(index, batch.images, batch.labels, batch.images, torch.zeros_like(batch.images), None)

    def at(self, chosen: Tensor) -> _Walkers:
        parts = (self.index, self.clean, self.labels, self.images, self.total)
        index, clean, labels, images, total = (part[chosen] for part in parts)
        return _Walkers(index, clean, labels, images, total, None if self.classes is None else self.classes[chosen])

    def move(self, step: Tensor, beyond: float) -> None:
        self.total = self.total + step
        self.images = (self.clean + beyond * self.total).clamp(0.0, 1.0)


def _best(logits: Tensor, labels: Tensor, candidates: int) -> Tensor:
    """The `candidates - 1` best classes but the label, `(n, K)`; fewer where there are fewer classes."""
    others = logits.scatter(1, labels[:, None], -torch.inf)
    return others.topk(min(candidates, logits.shape[1]) - 1, dim=1).indices
