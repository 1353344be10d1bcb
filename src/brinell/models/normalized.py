"""A network behind the normalisation of its inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

import torch
from torch import Tensor, nn

from brinell.core import ModelError

IMAGENET_MEAN: Final = (0.485, 0.456, 0.406)
IMAGENET_STD: Final = (0.229, 0.224, 0.225)

ChannelOrder = Literal["rgb", "bgr"]


class Normalized(nn.Module):
    """`model((images - mean) / std)`: from images in [0, 1] to logits, one number a channel.

    Images, `mean` and `std` are in the order red, green, blue; a network trained on the reverse, as Caffe's were, is
    given it by `channel_order`.

    Raises:
        ModelError: `mean` and `std` are of several lengths, or not of images in [0, 1] but of bytes.
    """

    architecture: Any = None
    """The `Architecture` that built it, where one did: what lets a file's header rebuild it."""

    mean: Tensor
    std: Tensor

    def __init__(
        self, model: nn.Module, mean: Sequence[float], std: Sequence[float], channel_order: ChannelOrder = "rgb"
    ) -> None:
        super().__init__()
        if len(mean) != len(std) or not all(0 <= value <= 1 for value in mean) or not all(value > 0 for value in std):
            raise ModelError(
                f"mean {tuple(mean)}, std {tuple(std)}: expected a number a channel, mean in [0, 1] and std above 0, "
                "for images in [0, 1]; divide those of bytes by 255"
            )
        self.model = model
        self.training = model.training
        self.channel_order = channel_order
        # Not persistent: they belong to the architecture, and checkpoints of the bare network do not have them.
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(-1, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Images `(N, C, H, W)` in [0, 1] to logits `(N, classes)`."""
        normalized = (images - self.mean) / self.std
        logits: Tensor = self.model(normalized if self.channel_order == "rgb" else normalized.flip(1))
        return logits
