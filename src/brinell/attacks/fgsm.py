"""FGSM: one step along the sign of the gradient (Goodfellow, Shlens & Szegedy 2015)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from brinell.attacks.components.projection import clip_to_ball
from brinell.attacks.harness.attack import Attack, Batch, Crafted
from brinell.attacks.harness.losses import LOSSES, Loss, check_classes
from brinell.attacks.harness.oracle import Oracle
from brinell.core import Fraction, OmitDefaultFromKey, Point
from brinell.nn import Norm, steepest


class FGSM(Attack):
    """`x + epsilon * sign(gradient of the loss)`, clipped to [0, 1]; for l2 the gradient is scaled to length instead.

    `label` is whose loss is raised: the true label, or the class that the network predicts. With the true label an
    adversarially trained network can learn to read it off the perturbation (label leaking, Kurakin 2017, section 4).
    Every example is attacked, misclassified ones too, as the definition has it. Targeted, the step goes down the
    target's loss.

    Examples:
        >>> import brinell
        >>> images, labels = brinell.data.build("digits", split="test", examples=4).tensors()
        >>> attack = brinell.attacks.FGSM(epsilon=8 / 255)
        >>> brinell.attack(brinell.models.build("resnet8"), images, labels, attack).success.shape
        torch.Size([4])
    """

    kind = "fgsm"
    sweepable: ClassVar[frozenset[str]] = frozenset({"epsilon"})
    shares_gradient: ClassVar[bool] = True

    epsilon: Fraction = Field(ge=0)
    """Radius of the ball in input units; images are in [0, 1]."""
    norm: Norm = "linf"
    """Norm of the ball: `linf` or `l2`."""
    loss: Loss = "cross_entropy"
    """Loss that is raised: `cross_entropy`, `margin` or `dlr`."""
    label: Literal["true", "predicted"] = "true"
    """Class whose loss is raised: the `true` one, or the one `predicted` for the clean image."""
    samples: Annotated[int, OmitDefaultFromKey()] = Field(1, ge=1)
    """Passes that each gradient and each look at the logits is the mean of, for networks that draw random numbers."""

    @property
    def point(self) -> Point:
        """One step."""
        return Point(self.epsilon, 1)

    def clip(self, candidates: Tensor, clean: Tensor, epsilon: float | None) -> Tensor:
        """Inside the ball and the box."""
        return clip_to_ball(candidates, clean, epsilon, self.norm)

    def craft(
        self, oracle: Oracle, batch: Batch, points: Sequence[Point], *, seed: int, trace_every: int | None
    ) -> Crafted:
        """All epsilons from one gradient."""

        def objective(logits: Tensor) -> Tensor:
            check_classes(self.loss, logits.shape[1], batch.targets is not None)
            labels = batch.labels if self.label == "true" else logits.detach().argmax(1)
            return LOSSES[self.loss](logits, labels, batch.targets)

        _, _, gradient = oracle.gradient(batch.images, objective)
        direction = steepest(gradient, self.norm)
        shape = (len(points), len(batch.images))
        ones = torch.ones(shape, dtype=torch.int32)
        zero = (gradient.flatten(1) == 0).all(1).to(torch.int32)
        return Crafted(
            images=torch.stack([batch.images + (point.epsilon or 0.0) * direction for point in points]),
            first_success_step=-ones,
            restart=0 * ones,
            forwards=ones,
            backwards=ones,
            zero_gradients=zero.expand(shape),
        )
