"""What every compressor is: a spec that makes a variant of a variant."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final, final

import torch
from pydantic import field_validator

from brinell.compressors.checks.parent_check import check_fit, check_parent
from brinell.compressors.checks.result_check import check_result, warn_of_coverage
from brinell.core import Progress, Spec, no_progress
from brinell.data import Dataset
from brinell.models import Architecture
from brinell.variants import Variant

OPERATIONS: Final = frozenset({"macs", "xnor_ops", "ncc", "parameters"})
"""Costs that follow from the shapes of layers, whatever their weights are."""


class Compressor(Spec):
    """A way to make a network smaller. One that trains has a field `train`.

    A mapping given for `train` changes the compressor's own default settings, so that `train: {epochs: 5}` keeps the
    learning rate that suits the method; a `Train` value replaces them all.
    """

    has_surrogates: ClassVar[bool] = True
    """Whether a gradient that it leaves inexact is that of a sign, for which `nn.SURROGATES` stand in."""
    has_teacher: ClassVar[bool] = False
    """Whether each of its training steps takes a forward pass of a teacher, too."""

    integer_arithmetic: ClassVar[bool] = False
    """Whether the network that it makes computes in 8-bit integers, which the energy probe counts as such."""

    @final
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
        """The compressed variant, after `check_result` has found it to be what was asked for.

        `variant` is not changed. `data` is the training split; where `train.holdout` asks for it, examples are held out
        of it here. `checkpoint` is a folder (made on demand) that belongs to this call: after a kill, the same call
        goes on from there. Warns where less than 80 % of the weights are covered.

        Raises:
            ConfigurationError: the settings cannot be met by this network.
            ModelError: the network has no layer for this method, or does not fit the data; or the result is not what
                was asked for.
            DivergenceError: training left the numbers.
            StoreError: `checkpoint` cannot be written, or belongs to another call.
        """
        check_fit(variant, data)
        check_parent(variant, data)
        made = self._compress(variant, data, seed=seed, device=device, checkpoint=checkpoint, progress=progress)
        trained = self.epochs > 0 or "train" not in type(self).model_fields
        check_result(self.kind, variant, made, data, seed=seed, device=device, trained=trained)
        self.check_budget(variant, made)
        warn_of_coverage(self.kind, made)
        return made

    @abstractmethod
    def _compress(
        self,
        variant: Variant,
        data: Dataset,
        *,
        seed: int,
        device: str | torch.device | None,
        checkpoint: Path | None,
        progress: Progress,
    ) -> Variant:
        """The compressed variant; what `compress` promises but for the check of the result."""

    def check_budget(self, parent: Variant, child: Variant) -> None:
        """Refuse a `child` whose tensors are not what the settings ask for, counted anew from what ships.

        Raises:
            ModelError: what was asked for, and what was found.
        """
        return

    def check(self, variant: Variant) -> None:
        """Refuse what `compress` would refuse of this network's layers and shapes, whatever its weights are.

        Trains nothing, so that a study asks it of a network that is still to be trained.

        Raises:
            ConfigurationError: the settings cannot be met by this network.
            ModelError: the network has no layer for this method.
        """
        return

    def identity_for(self, parent: Architecture) -> dict[str, Any]:
        """`identity` of the revision that compresses networks of the architecture `parent`.

        A correction that changes the results of some networks alone raises the revision for those.
        """
        return self.identity()

    @property
    def epochs(self) -> int:
        """How often it goes through the training data, all stages together."""
        return 0

    def architecture_from(self, parent: Architecture | None) -> Architecture | None:
        """What the compressed variant of a variant of `parent` is built from."""
        return parent

    def view_from(self, parent: str) -> str:
        """The gradient that a white-box attacker begins with (`natural_view`), where the parent's is `parent`."""
        return parent

    @property
    def never_lowers(self) -> frozenset[str]:
        """Costs that it leaves as they are in every network; others may stay as they are, too."""
        return frozenset()

    @field_validator("train", mode="before", check_fields=False)
    @classmethod
    def _over_defaults(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        given = {name: setting for name, setting in value.items() if name != "kind"}
        default = cls.model_fields["train"].default
        return {**{name: getattr(default, name) for name in default.model_fields_set}, **given}
