"""A network behind the normalisation of its inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn


class Normalized(nn.Module):
    """`model((images - mean) / std)`: from images in [0, 1] to logits, one number a channel."""

    architecture: Any = None
    """The `Architecture` that built it, where one did: what lets a file's header rebuild it."""

    mean: Tensor
    std: Tensor

    def __init__(self, model: nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.model = model
        # Not persistent: they belong to the architecture, and checkpoints of the bare network do not have them.
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(-1, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Images `(N, C, H, W)` in [0, 1] to logits `(N, classes)`."""
        logits: Tensor = self.model((images - self.mean) / self.std)
        return logits
