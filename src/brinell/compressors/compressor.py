"""What every compressor is: a spec that makes a variant of a variant."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from pydantic import field_validator

from brinell.core import Progress, Spec, no_progress
from brinell.data import Dataset
from brinell.models import Architecture
from brinell.variants import Variant


class Compressor(Spec):
    """A way to make a network smaller. One that trains has a field `train`.

    A mapping given for `train` changes the compressor's own default settings, so that `train: {epochs: 5}` keeps the
    learning rate that suits the method; a `Train` value replaces them all.
    """

    has_surrogates: ClassVar[bool] = True
    """Whether a gradient that it leaves inexact is that of a sign, for which `nn.SURROGATES` stand in."""
    has_teacher: ClassVar[bool] = False
    """Whether each of its training steps takes a forward pass of a teacher, too."""

    @abstractmethod
    def compress(
        self,
        variant: Variant,
        data: Dataset,
        *,
        seed: int,
        device: str | torch.device | None = None,
        checkpoint: Path | None = None,
        progress: Progress = no_progress,
    ) -> Variant:
        """The compressed variant; `variant` is not changed.

        `data` is the training split; where `train.holdout` asks for it, examples are held out of it here. `checkpoint`
        is a folder (made on demand) that belongs to this call: after a kill, the same call goes on from there.

        Raises:
            ConfigurationError: the settings cannot be met by this network.
            ModelError: the network has no layer for this method, or does not fit the data.
            DivergenceError: training left the numbers.
            StoreError: `checkpoint` cannot be written, or belongs to another call.
        """

    def check(self, variant: Variant) -> None:
        """Refuse what `compress` would refuse of this network's layers and shapes, whatever its weights are.

        Trains nothing, so that a study asks it of a network that is still to be trained.

        Raises:
            ConfigurationError: the settings cannot be met by this network.
            ModelError: the network has no layer for this method.
        """
        return

    @property
    def epochs(self) -> int:
        """How often it goes through the training data, all stages together."""
        return 0

    def architecture_from(self, parent: Architecture) -> Architecture:
        """What the compressed variant of a variant of `parent` is built from."""
        return parent

    def view_from(self, parent: str) -> str:
        """The gradient that a white-box attacker begins with (`natural_view`), where the parent's is `parent`."""
        return parent

    @field_validator("train", mode="before", check_fields=False)
    @classmethod
    def _over_defaults(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        given = {name: setting for name, setting in value.items() if name != "kind"}
        default = cls.model_fields["train"].default
        return {**{name: getattr(default, name) for name in default.model_fields_set}, **given}
