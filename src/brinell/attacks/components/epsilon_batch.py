"""Every image at every epsilon, as one batch that shrinks while examples are decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from brinell.attacks.harness.attack import Batch


@dataclass(frozen=True)
class EpsilonBatch:
    """Images at epsilons, as one batch; `index` is a cell's place among all of them, epsilon-major."""

    index: Tensor
    clean: Tensor
    labels: Tensor
    targets: Tensor | None
    ids: Tensor
    radius: Tensor

    @classmethod
    def spread(cls, batch: Batch, epsilons: Sequence[float | None]) -> EpsilonBatch:
        """Every image at every epsilon."""
        count, device = len(epsilons), batch.images.device
        radii = torch.tensor([epsilon or 0.0 for epsilon in epsilons], dtype=batch.images.dtype, device=device)
        return cls(
            index=torch.arange(count * len(batch.images), device=device),
            clean=batch.images.repeat(count, 1, 1, 1),
            labels=batch.labels.repeat(count),
            targets=None if batch.targets is None else batch.targets.repeat(count),
            ids=batch.ids.repeat(count),
            radius=radii.repeat_interleave(len(batch.images)),
        )

    def at(self, chosen: Tensor) -> EpsilonBatch:
        """Some of the cells."""
        targets = None if self.targets is None else self.targets[chosen]
        parts = (self.index, self.clean, self.labels, self.ids, self.radius)
        index, clean, labels, ids, radius = (part[chosen] for part in parts)
        return EpsilonBatch(index, clean, labels, targets, ids, radius)
