"""What an attack without a radius has found: the nearest success of each example, and what it took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from brinell.attacks.harness.attack import Batch, Crafted
from brinell.attacks.harness.losses import margin_loss
from brinell.attacks.harness.oracle import Oracle

_SLACK = 5e-5
"""Share of the largest logit that a success must clear: what folding batch norms may change by rounding."""


@dataclass
class NearestSoFar:
    """The nearest success of each example `(N,)`: its distance (or a power of it; infinite: none), image, iteration."""

    distance: Tensor
    images: Tensor
    first: Tensor
    forwards: Tensor
    backwards: Tensor
    zeros: Tensor | None = None
    """Gradients that were zero throughout, where they are counted."""

    @classmethod
    def none(cls, batch: Batch, *, zeros: bool = False) -> NearestSoFar:
        """No success, and the clean images; with `zeros`, zero gradients are counted."""
        count, device = len(batch.images), batch.images.device
        nothing = torch.zeros(count, dtype=torch.int32, device=device)
        return cls(
            distance=torch.full((count,), torch.inf, device=device),
            images=batch.images.clone(),
            first=nothing - 1,
            forwards=nothing,
            backwards=nothing.clone(),
            zeros=nothing.clone() if zeros else None,
        )

    def improve(self, index: Tensor, distance: Tensor, images: Tensor, step: int | Tensor) -> None:
        """Keep what is nearer than anything before; a `distance` of infinity is no success."""
        before = self.distance[index]
        nearer = distance < before
        self.distance[index] = torch.where(nearer, distance, before)
        self.images[index] = torch.where(nearer[:, None, None, None], images, self.images[index])
        first = self.first[index]
        self.first[index] = torch.where(nearer & (first < 0), step, first).to(first.dtype)

    def spend(
        self,
        index: Tensor | slice = slice(None),
        *,
        forwards: int | Tensor = 1,
        backwards: int | Tensor = 1,
        zero: Tensor | None = None,
    ) -> None:
        """Count passes, and gradients that were zero throughout."""
        self.forwards[index] += forwards
        self.backwards[index] += backwards
        if zero is not None and self.zeros is not None:
            self.zeros[index] += zero.to(torch.int32)

    def confirmed(self, oracle: Oracle, batch: Batch) -> NearestSoFar:
        """Itself, without the successes that the deployed network does not confirm."""
        at = (self.distance < torch.inf).nonzero()[:, 0]
        if len(at):
            targets = None if batch.targets is None else batch.targets[at]
            lost = at[~oracle.is_adversarial(self.images[at], batch.labels[at], targets)]
            self.distance[lost], self.first[lost] = torch.inf, -1
            self.images[lost] = batch.images[lost]
        return self


def clears(logits: Tensor, labels: Tensor, targets: Tensor | None, confidence: float = 0.0) -> Tensor:
    """Whether the attacker has succeeded by so much that the deployed network is sure to agree, `(n,)`."""
    return margin_loss(logits, labels, targets) > confidence + slack(logits)


def slack(logits: Tensor) -> Tensor:
    """The margin that a success must clear, `(n,)`."""
    return _SLACK * logits.abs().amax(1)


def crafted_nearest(parts: Sequence[NearestSoFar]) -> Crafted:
    """What was found at each point."""
    forwards = torch.stack([part.forwards for part in parts])
    zeros = [part.zeros for part in parts if part.zeros is not None]
    return Crafted(
        images=torch.stack([part.images for part in parts]),
        first_success_step=torch.stack([part.first for part in parts]),
        restart=torch.zeros_like(forwards),
        forwards=forwards,
        backwards=torch.stack([part.backwards for part in parts]),
        zero_gradients=torch.stack(zeros) if zeros else None,
    )
