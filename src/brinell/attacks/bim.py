"""BIM: repeated small FGSM steps inside the ball, from the clean image (Kurakin, Goodfellow & Bengio 2017)."""

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
from brinell.core import Fraction, OmitDefaultFromKey, Point
from brinell.nn import Norm


class BIM(Attack):
    """FGSM steps of `step_size`, each clipped to the epsilon ball round the clean image and to [0, 1]; not random.

    `label: predicted` raises the loss of the class that the network gives the clean image, fixed for all steps, as the
    robustness paper does. Steps and step size are not printed there; 10 steps of 0.5/255 are the default here
    (CleverHans's own default of 10 steps of 0.05 on a 0-255 scale would stop at a quarter of its epsilon of 2). An
    example that is broken is kept as it is.

    Examples:
        >>> import brinell
        >>> images, labels = brinell.data.build("digits", split="test", examples=4).tensors()
        >>> attack = brinell.attacks.BIM(epsilon=2 / 255, steps=3)
        >>> brinell.attack(brinell.models.build("resnet8"), images, labels, attack).success.shape
        torch.Size([4])
    """

    kind = "bim"
    sweepable: ClassVar[frozenset[str]] = frozenset({"epsilon", "steps"})
    traceable: ClassVar[bool] = True
    skips_misclassified: ClassVar[bool] = True
    every_surrogate: ClassVar[bool] = True

    epsilon: Fraction = Field(ge=0)
    """Radius of the ball in input units; images are in [0, 1]."""
    steps: int = Field(10, ge=1)
    """Number of gradient steps."""
    step_size: Fraction = Field(0.5 / 255, gt=0)
    """Length of a step in input units."""
    norm: Norm = "linf"
    """Norm of the ball: `linf` or `l2`."""
    loss: Loss = "cross_entropy"
    """Loss that is raised: `cross_entropy`, `margin` or `dlr`."""
    label: Literal["true", "predicted"] = "true"
    """Class whose loss is raised: the `true` one, or the one `predicted` for the clean image."""
    precision: Precision = "float32"
    """Precision of gradients and scores; success is confirmed in float32 in any case."""
    early_stop: Annotated[bool, OmitDefaultFromKey()] = True
    """Stop at the first success; `False` takes all `steps` and keeps the latest success, for transfer."""
    samples: Annotated[int, OmitDefaultFromKey()] = Field(1, ge=1)
    """Passes that each gradient and each look at the logits is the mean of, for networks that draw random numbers."""
    logit_scaling: Annotated[LogitScaling, OmitDefaultFromKey()] = "none"
    """`hessian`: cross-entropy is of logits times a scale for each image, at which its Hessian is largest (Gupta &
    Ajanthan 2022). The scale is found at each start, for a backward pass for each of up to nine classes."""

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
            restarts=1,
            random_start=False,
            loss=self.loss,
            label=self.label,
            early_stop=self.early_stop,
            seed=seed,
            trace_every=trace_every,
            logit_scaling=self.logit_scaling,
        )
        return projected_gradient(oracle, batch, points, settings)
