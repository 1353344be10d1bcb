"""PGD: repeated steps along the gradient's sign inside the ball, from a random start (Madry et al. 2018)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field
from torch import Tensor

from brinell.attacks.components.projected_gradient import LogitScaling, ProjectedGradient, projected_gradient
from brinell.attacks.components.projection import clip_to_ball
from brinell.attacks.harness.attack import Attack, Batch, Crafted
from brinell.attacks.harness.losses import Loss
from brinell.attacks.harness.oracle import Oracle, Precision
from brinell.attacks.harness.targets import Targets
from brinell.core import Fraction, OmitDefaultFromKey, Point
from brinell.nn import Norm


class PGD(Attack):
    """Projected gradient descent on the loss, from `restarts` uniform random starts in the ball.

    The step takes the gradient's sign for linf (its direction for l2); BreakingBED's equation 4 prints the raw
    gradient, but a step of 0.5/255 only makes sense for the sign. `step_size` is a radius and never a function of
    `steps`: epsilon / 4 by default, the ratio of the paper's loss study. An example that is broken is kept and costs
    nothing more; without a success the last iterate of the first start is kept.

    Examples:
        >>> import brinell
        >>> images, labels = brinell.data.build("digits", split="test", examples=4).tensors()
        >>> attack = brinell.attacks.PGD(epsilon=8 / 255, steps=3, restarts=2)
        >>> brinell.attack(brinell.models.build("resnet8"), images, labels, attack).success.shape
        torch.Size([4])
    """

    kind = "pgd"
    revision: ClassVar[int] = 2
    sweepable: ClassVar[frozenset[str]] = frozenset({"epsilon", "steps"})
    paper_axis: ClassVar[tuple[Literal["epsilon", "steps"], float] | None] = ("epsilon", 3.0)
    traceable: ClassVar[bool] = True
    skips_misclassified: ClassVar[bool] = True
    every_surrogate: ClassVar[bool] = True

    epsilon: Fraction = Field(ge=0)
    """Radius of the ball in input units; images are in [0, 1]."""
    steps: int = Field(10, ge=1)
    """Number of gradient steps of each restart."""
    step_size: Fraction | None = Field(None, gt=0)
    """Length of a step in input units; `None`: epsilon / 4."""
    norm: Norm = "linf"
    """Norm of the ball: `linf` or `l2`."""
    restarts: int = Field(1, ge=1)
    """Number of starts for each example."""
    random_start: bool = True
    """Start at a uniformly random point of the ball instead of the clean image."""
    loss: Loss = "cross_entropy"
    """Loss that is raised: `cross_entropy`, `margin` or `dlr`."""
    precision: Precision = "float32"
    """Precision of gradients and scores; success is confirmed in float32 in any case."""
    early_stop: Annotated[bool, OmitDefaultFromKey()] = True
    """Stop at the first success; `False` takes all `steps` and keeps the latest success, for transfer."""
    targets: Annotated[Targets, OmitDefaultFromKey()] = None
    """Go towards so many other classes in turn, the likeliest first, each with all restarts; success is any
    misclassification."""
    samples: Annotated[int, OmitDefaultFromKey()] = Field(1, ge=1)
    """Passes that each gradient and each look at the logits is the mean of, for networks that draw random numbers."""
    logit_scaling: Annotated[LogitScaling, OmitDefaultFromKey()] = "none"
    """`hessian`: cross-entropy is of logits times a scale for each image, at which its Hessian is largest (Gupta &
    Ajanthan 2022). The scale is found at each start, for a backward pass for each of up to nine classes."""

    @property
    def random(self) -> bool:
        """It is, if it starts at random."""
        return self.random_start

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
        """All epsilons in one batch, all numbers of steps from one pass."""
        settings = ProjectedGradient(
            norm=self.norm,
            step_size=self.step_size,
            restarts=self.restarts,
            random_start=self.random_start,
            loss=self.loss,
            label="true",
            early_stop=self.early_stop,
            seed=seed,
            trace_every=trace_every,
            logit_scaling=self.logit_scaling,
            targets=self.targets,
        )
        return projected_gradient(oracle, batch, points, settings)
