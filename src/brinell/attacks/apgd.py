"""APGD: projected gradient with momentum, whose step size follows from the progress (Croce & Hein 2020, 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field
from torch import Tensor

from brinell.attacks.components.auto_projected_gradient import AscentSettings, auto_projected_gradient
from brinell.attacks.components.best_so_far import BestSoFar
from brinell.attacks.components.epsilon_batch import EpsilonBatch
from brinell.attacks.components.projection import clip_to_ball
from brinell.attacks.components.run_per_step_count import craft_for_each_step_count
from brinell.attacks.components.sub_run import SubRun
from brinell.attacks.components.undecided import Undecided
from brinell.attacks.harness.attack import Attack, Batch, Crafted
from brinell.attacks.harness.losses import Loss
from brinell.attacks.harness.oracle import Oracle, Precision
from brinell.attacks.harness.targets import Targets, classes_in_turn
from brinell.core import Fraction, Point
from brinell.nn import BallNorm


class APGD(Attack):
    """Gradient ascent in the ball whose step size starts at 2 epsilon and is halved where progress stalls.

    Croce & Hein 2020, algorithm 1: momentum 0.75, checkpoints at 22 % of the steps and then ever more often; at one,
    the step size is halved and the search goes on from the best iterate if the loss rose in fewer than 75 % of the
    steps since the last, or if neither the step size nor the best loss has changed. For `l1` it is algorithm 1 of Croce
    & Hein 2021: steps along the largest values of the gradient only, as many as two thirds of the values that the best
    iterate has changed, projected exactly on ball and box; the step size falls from epsilon to a tenth of it. The
    random start is on the surface of the ball, as in the authors' code.

    `targets` runs it towards that many other classes in turn, the likeliest first (`9` with `loss: dlr` is APGD-T);
    success is then still any misclassification. An example that is broken is kept and costs nothing more; without a
    success the iterate of the highest loss is kept. The schedule depends on `steps`, so that each number of steps is a
    run of its own.

    Examples:
        >>> import brinell
        >>> images, labels = brinell.data.build("digits", split="test", examples=4).tensors()
        >>> attack = brinell.attacks.APGD(epsilon=4 / 255, steps=3)
        >>> brinell.attack(brinell.models.build("resnet8"), images, labels, attack).success.shape
        torch.Size([4])
    """

    kind = "apgd"
    sweepable: ClassVar[frozenset[str]] = frozenset({"epsilon", "steps"})
    skips_misclassified: ClassVar[bool] = True
    every_surrogate: ClassVar[bool] = True
    shrinks: ClassVar[bool] = True

    epsilon: Fraction = Field(ge=0)
    """Radius of the ball in input units; images are in [0, 1]."""
    steps: int = Field(100, ge=1)
    """Number of steps of each run; the schedule of step sizes follows from it."""
    norm: BallNorm = "linf"
    """Norm of the ball: `linf`, `l2` or `l1`."""
    loss: Loss = "cross_entropy"
    """Loss that is raised: `cross_entropy`, `margin` or `dlr`."""
    targets: Targets = None
    """Number of other classes to go towards in turn, the likeliest first, or `all`; `None`: away from the label."""
    restarts: int = Field(1, ge=1)
    """Number of random starts for each example, and for each target class."""
    precision: Precision = "float32"
    """Precision of gradients and scores; success is confirmed in float32 in any case."""
    samples: int = Field(1, ge=1)
    """Passes that each gradient and each look at the logits is the mean of, for networks that draw random numbers."""

    @property
    def random(self) -> bool:
        """It is: it starts at random."""
        return True

    @property
    def point(self) -> Point:
        """The radius and the number of steps."""
        return Point(self.epsilon, self.steps)

    def clip(self, candidates: Tensor, clean: Tensor, epsilon: float | None) -> Tensor:
        """Inside the ball and the box."""
        return clip_to_ball(candidates, clean, epsilon, self.norm)

    def craft(
        self, oracle: Oracle, batch: Batch, points: Sequence[Point], *, seed: int, trace_every: int | None
    ) -> Crafted:
        """All epsilons in one batch; a run for each number of steps."""

        def run(best: BestSoFar, cells: EpsilonBatch, done: float, total: float) -> None:
            steps = best.steps[-1]
            towards = classes_in_turn(oracle, cells.clean, cells.labels, self.targets)
            best.forwards += self.targets is not None
            portion = steps / (len(towards) * self.restarts)
            for number in range(len(towards) * self.restarts):
                part = SubRun(seed, number, done + number * portion, portion, total)
                undecided = Undecided(oracle, cells, best, restart=number)
                ascent = AscentSettings(part, self.norm, self.loss, steps)
                reached = auto_projected_gradient(undecided, ascent, towards[number // self.restarts])
                if number == 0:
                    undecided.keep(reached)

        return craft_for_each_step_count(batch, points, run)
