"""One batch, and what a loss is."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor, nn


class Batch(NamedTuple):
    """What a loss is computed on: float32 images in [0, 1], labels and ids, and where in the training it stands."""

    images: Tensor
    labels: Tensor
    ids: Tensor
    epoch: int
    number: int
    clean: Tensor | None = None
    """What `images` were before an adversary changed them, where one did."""

    def part(self, chosen: slice) -> Batch:
        """Some of its examples."""
        return Batch(self.images[chosen], self.labels[chosen], self.ids[chosen], self.epoch, self.number)


Loss = Callable[[nn.Module, Batch], Tensor]
"""The mean loss of a batch. The module is the one in training, behind Fabric's precision, or stands for it where the
batch is a part of a larger one: it is for calling on the batch's images only."""
