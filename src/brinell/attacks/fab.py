"""FAB: projections on linearised boundaries, biased towards the clean image (Croce & Hein 2020)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import ClassVar, Final

import torch
from pydantic import Field
from torch import Tensor

from brinell.attacks.components.boundary_projection import DescentSettings, project_on_boundaries
from brinell.attacks.components.epsilon_batch import EpsilonBatch
from brinell.attacks.components.nearest_so_far import NearestSoFar, clears, crafted_nearest
from brinell.attacks.components.sub_run import SubRun
from brinell.attacks.harness.attack import Attack, Batch, Crafted, count_target_runs
from brinell.attacks.harness.oracle import Oracle, Precision
from brinell.attacks.harness.targets import Targets, classes_in_turn
from brinell.core import Point
from brinell.nn import BallNorm, distance

_FARTHEST: Final[dict[BallNorm, float]] = {"linf": 0.3, "l2": 1.0, "l1": 5.0}
"""How far a restart may begin where nothing is broken yet, as in the authors' code."""


class FAB(Attack):
    """Step on the nearest linearised boundary, pulled towards the clean image; after a success, go back towards it.

    Algorithm 1 of the paper: the current and the clean image are projected on the hyperplane (and the box), overshoot
    it by `overshoot`, and are averaged with a weight of the clean one of at most `bias`; a success goes back to
    `backward` of its distance. With `targets` one boundary is looked at in a run, the one to each of so many likeliest
    classes in turn, and success is any misclassification (FAB-T, as in AutoAttack); without, the nearest of the
    boundaries to all classes, which takes a backward pass for each. `restarts` after the first begin at random, at half
    of the nearest distance so far. The paper's final search along the line is left out, as in AutoAttack's code.

    Examples:
        >>> import brinell
        >>> images, labels = brinell.data.build("digits", split="test", examples=4).tensors()
        >>> attack = brinell.attacks.FAB(steps=2, targets=2)
        >>> brinell.attack(brinell.models.build("resnet8"), images, labels, attack).success.shape
        torch.Size([4])
    """

    kind = "fab"
    sweepable: ClassVar[frozenset[str]] = frozenset({"steps"})
    skips_misclassified: ClassVar[bool] = True
    takes_targets: ClassVar[bool] = False

    steps: int = Field(100, ge=1)
    """Number of steps of each run."""
    norm: BallNorm = "linf"
    """Norm that is minimised: `linf`, `l2` or `l1`."""
    targets: Targets = 9
    """Number of other classes whose boundary is approached in turn, the likeliest first, or `all`; `None`: the nearest
    boundary of all classes in every step."""
    restarts: int = Field(1, ge=1)
    """Number of runs for each class; those after the first start at random."""
    bias: float = Field(0.1, ge=0, le=1)
    """Largest weight of the clean image's projection."""
    overshoot: float = Field(0.05, ge=0)
    """Relative extension of a projection beyond the boundary."""
    backward: float = Field(0.9, gt=0, lt=1)
    """Share of its distance that a success keeps before the next step."""
    precision: Precision = "float32"
    """Precision of gradients and scores; success is confirmed in float32 in any case."""
    samples: int = Field(1, ge=1)
    """Passes that each gradient and each look at the logits is the mean of, for networks that draw random numbers."""

    @property
    def random(self) -> bool:
        """It is, where it starts again."""
        return self.restarts > 1

    @property
    def point(self) -> Point:
        """No radius; the number of steps."""
        return Point(None, self.steps)

    @property
    def passes(self) -> float:
        """Two forward passes a step, and a backward pass, or one for each other class of ten."""
        steps = self.steps * self.restarts * self.samples
        return steps * (4.0 * count_target_runs(self.targets) if self.targets is not None else 20.0)

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
        watcher = _Nearest(batch, self.norm)
        order = classes_in_turn(oracle, batch.images, batch.labels, self.targets)
        if self.targets is not None:
            watcher.spend()
        portion = steps / (len(order) * self.restarts)
        for number in range(len(order) * self.restarts):
            target, restart = divmod(number, self.restarts)
            farthest = torch.full_like(watcher.best.distance, _FARTHEST[self.norm])
            part = SubRun(seed, number, done + number * portion, portion, total)
            radius = torch.minimum(watcher.best.distance, farthest) * (restart > 0)
            descent = DescentSettings(part, self.norm, steps, radius, self.bias, self.overshoot, self.backward)
            project_on_boundaries(oracle, watcher, descent, order[target])
        return watcher.best.confirmed(oracle, batch)


class _Nearest:
    """Keeps the nearest success of each example; nobody leaves."""

    def __init__(self, batch: Batch, norm: BallNorm) -> None:
        self.best, self.norm = NearestSoFar.none(batch, zeros=True), norm
        self.cells = EpsilonBatch.spread(batch, [None])

    def spend(self, *, forwards: int = 1, backwards: int = 0, zero: Tensor | None = None) -> None:
        """Count passes."""
        self.best.spend(forwards=forwards, backwards=backwards, zero=zero)

    def see(self, step: int, images: Tensor, logits: Tensor) -> None:
        """Keep what is nearer than anything before."""
        success = clears(logits, self.cells.labels, None)
        far = distance(self.cells.clean, images, self.norm)
        self.best.improve(self.cells.index, torch.where(success, far, torch.inf), images, step)

    def settle(self, step: int, *, last: bool = False) -> Tensor | None:
        """All go on."""
        return None
