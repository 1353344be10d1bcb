"""Networks that are not built in: where they come from, and what is known of them once they are loaded."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from pydantic import model_validator
from torch import Tensor, nn

from brinell.core import ConfigurationError, ModelError, Spec
from brinell.models.normalized import ChannelOrder, Normalized
from brinell.nn import freeze, frozen_norms

_EXAMPLES = 2


@dataclass(frozen=True, eq=False)
class LoadedNetwork:
    """A module in evaluation mode, from images in [0, 1] of `input_shape` to logits of `classes`."""

    module: nn.Module
    input_shape: tuple[int, int, int]
    classes: int
    needs_code: str | None = None
    """Why files of it need the code that built it, where no graph of it could be captured."""
    weights_digest: str = ""
    """Of its weights as they were loaded, under their own names."""
    code_digest: str = ""
    """Of the source that it was built and is run by, where that is code which the source of the network names."""


class NetworkSource(Spec):
    """How a network is loaded that somebody else has built."""

    runs_code: ClassVar[bool] = False
    """Whether loading it runs code that the study, or the command, names."""
    brings_weights: ClassVar[bool] = False
    """Whether it comes with weights, or, in code, may; whether code did is known when it has run."""

    mean: tuple[float, ...] | None = None
    """Of each channel, subtracted from images in [0, 1] before the network sees them; with `std`."""
    std: tuple[float, ...] | None = None
    """Of each channel, by which images are divided once `mean` is subtracted."""
    channel_order: ChannelOrder = "rgb"
    """In which the network takes colours; images, `mean` and `std` are red, green, blue in any case."""

    @model_validator(mode="after")
    def _normalisation_is_whole(self) -> NetworkSource:
        if (self.mean is None) != (self.std is None):
            raise ValueError("mean and std belong together")
        return self

    @abstractmethod
    def load(self, input_shape: tuple[int, int, int] | None = None, *, trusted: bool = False) -> LoadedNetwork:
        """The network.

        Args:
            input_shape: (channels, height, width) of the images; by default what the network declares.
            trusted: whether code that the source names may run (`runs_code`).

        Raises:
            ConfigurationError: it would run code and is not trusted, or a package is not installed.
            ModelError: it cannot be loaded, or is no classifier of such images.
        """

    def describe_code(self) -> str:
        """What would be run, for the question whether to trust it."""
        return self.kind

    def check_trust(self, trusted: bool) -> None:
        """Refuse to run code that nobody has allowed.

        Raises:
            ConfigurationError: what would be run, and how to allow it.
        """
        if self.runs_code and not trusted:
            raise ConfigurationError(
                f"kind {self.kind}: this would run {self.describe_code()}; if you trust it, add --trust-code "
                "(in Python trusted=True)"
            )

    def loaded(
        self,
        module: nn.Module,
        input_shape: tuple[int, int, int],
        mean: tuple[float, ...] | None = None,
        std: tuple[float, ...] | None = None,
        where: str | None = None,
    ) -> LoadedNetwork:
        """`module` behind its normalisation (`mean` and `std` where the source sets none), once it has been tried.

        Raises:
            ModelError: it does not take such images, or returns no logits.
        """
        freeze(module, frozen_norms(module))  # before all of it is in evaluation mode
        mean, std = (self.mean, self.std) if self.mean is not None else (mean, std)
        if mean is not None and std is not None:
            if len(mean) != input_shape[0]:
                raise ModelError(f"mean and std need {input_shape[0]} numbers each, not {mean} and {std}")
            module = Normalized(module, mean, std, self.channel_order)
        elif self.channel_order == "bgr":
            module = Normalized(module, (0.0,) * input_shape[0], (1.0,) * input_shape[0], "bgr")
        module.eval()
        return LoadedNetwork(module, input_shape, count_logits(module, input_shape, where or self.kind))


def count_logits(module: nn.Module, input_shape: tuple[int, int, int], where: str) -> int:
    """How many logits the network computes of an image.

    Raises:
        ModelError: it fails, or returns something else than logits `(images, classes)`.
    """
    parameter = next(iter(module.parameters()), None)
    device = torch.device("cpu") if parameter is None else parameter.device
    images = torch.full((_EXAMPLES, *input_shape), 0.5, device=device)
    try:
        with torch.no_grad():
            logits = module(images)
    except Exception as error:  # the user's own code raises whatever it meets
        reason = " ".join(str(error).split())[:300]
        raise ModelError(
            f"{where}: the network does not take images {input_shape}: {type(error).__name__}: {reason}"
        ) from error
    if not isinstance(logits, Tensor) or logits.dim() != 2 or len(logits) != _EXAMPLES:
        found = f"a tensor of {tuple(logits.shape)}" if isinstance(logits, Tensor) else type(logits).__name__
        raise ModelError(
            f"{where}: expected logits ({_EXAMPLES}, classes) of {_EXAMPLES} images; the network returns {found}"
        )
    return int(logits.shape[1])
