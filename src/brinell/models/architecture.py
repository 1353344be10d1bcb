"""What every architecture is: a spec that builds a module."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import torch
from torch import nn

from brinell.core import OmitDefaultFromKey, Spec, derive_seed
from brinell.models.normalized import ChannelOrder, Normalized


class Architecture(Spec):
    """A network's shape without its weights; also what a `.brinell` file's header holds."""

    spare: ClassVar[tuple[str, ...]] = ()
    """How the names of tensors begin that published checkpoints have and this network does without."""
    published_names: ClassVar[Mapping[str, str]] = {}
    """What modules are called here (values) that published checkpoints call otherwise (keys)."""

    classes: int
    """Number of logits."""
    in_channels: int
    """Number of channels of the images."""
    size: int
    """Default height and width of images in pixels; convolutional networks accept others."""
    mean: tuple[float, ...]
    """Mean that is subtracted from each channel; images are in [0, 1]."""
    std: tuple[float, ...]
    """Standard deviation that each channel is divided by."""
    channel_order: Annotated[ChannelOrder, OmitDefaultFromKey()] = "rgb"
    """In which the bare network takes colours; images, `mean` and `std` are red, green, blue in any case."""

    def model_post_init(self, context: Any) -> None:
        """Check that the normalisation fits the channels."""
        if not len(self.mean) == len(self.std) == self.in_channels:
            raise ValueError(f"mean and std need {self.in_channels} numbers each, not {self.mean} and {self.std}")
        if min(self.std) <= 0:
            raise ValueError(f"std must be positive, not {self.std}")

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        return (self.in_channels, self.size, self.size)

    @abstractmethod
    def network(self) -> nn.Module:
        """The bare network, which expects normalised images."""

    def module(self, seed: int = 0) -> Normalized:
        """The network behind its normalisation, with fresh weights that only `seed` decides."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(seed, "weights"))
            module = Normalized(self.network(), self.mean, self.std, self.channel_order)
        module.architecture = self
        return module
