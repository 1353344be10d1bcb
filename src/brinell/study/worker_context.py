"""What a worker keeps between tasks: the plan, the store, data and networks that were read once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from torch import Tensor, nn

from brinell import container
from brinell.attacks import Attack
from brinell.core import PlannedTrial, PlannedVariant, StoreError, StudyPlan
from brinell.store import RunStore
from brinell.study.config import ModelVariant
from brinell.study.networks import load_module
from brinell.study.plan import CLEAN
from brinell.study.splits import Splits
from brinell.study.study import Study
from brinell.variants import Variant

_KEPT = 4
"""Networks held at once."""


@dataclass
class WorkerContext:
    """One worker's tools. Nothing on it decides a result."""

    study: Study
    plan: StudyPlan
    store: RunStore
    environment: Mapping[str, Any]
    splits: Splits
    input_shape: tuple[int, int, int]
    recorded: float = 0.0
    """When this worker last wrote how far its task is, in seconds since the epoch."""
    _networks: dict[tuple[str, ...], nn.Module] = field(default_factory=dict)

    def fresh(self) -> WorkerContext:
        """The same tools with nothing read yet: what is sent to another process."""
        return replace(self, splits=Splits(self.study.data), _networks={})

    @cached_property
    def variants(self) -> dict[str, PlannedVariant]:
        """Planned variants by key."""
        return {variant.key: variant for variant in self.plan.variants}

    @cached_property
    def clean_trials(self) -> dict[str, PlannedTrial]:
        """The trial without an attack by the key of the judged variant."""
        return {trial.judged_on: trial for trial in self.plan.trials if trial.kind == CLEAN}

    @cached_property
    def test(self) -> tuple[Tensor, Tensor, Tensor]:
        """Images, labels and ids to judge on, in the seeded order."""
        return (*self.splits.test.tensors(), self.splits.test.ids)

    def attack(self, trial: PlannedTrial) -> Attack:
        """The attack at its first point, as the study has it."""
        swept = self.study.attacks.get(trial.attack) or self.study.transfers[trial.attack].attack
        return swept.attack

    def root(self, variant: PlannedVariant) -> str:
        """The key of the variant that its lineage began with, made before it; `baseline` need not be."""
        while variant.parent is not None:
            variant = self.variants[variant.parent]
        return variant.key

    def variant(self, key: str) -> Variant:
        """A variant that is made, with its latent weights where it has them.

        Raises:
            StoreError: one of its files is damaged or gone.
        """
        folder = self.store.variant(key)
        try:
            latent = self.store.variant_file(key, "latent.safetensors")
            file = self.store.variant_file(key, "variant.brinell") or folder / "variant.brinell"
            alone = container.inspect(file).architecture is not None
            variant = container.read(file, model=None if alone else self._skeleton(key))
            return variant if latent is None else replace(variant, latent=container.read_latent(latent))
        except StoreError as error:
            raise StoreError(f"{error}; put the file back, or delete {folder}: the study makes it again") from error

    def _skeleton(self, key: str) -> nn.Module:
        """The module that a user's own code builds, of which no file holds the graph."""
        entry = self.study.variants[self.variants[self.root(self.variants[key])].name]
        if not isinstance(entry, ModelVariant):
            raise StoreError("it is made from no model")
        model = self.study.models[entry.model]
        return self._kept(("code", entry.model), lambda: load_module(model, self.input_shape, 0))

    def judged(self, key: str, runtime: str) -> nn.Module:
        """The network as it is deployed."""
        return self._kept(("judged", key, runtime), lambda: self.variant(key).deployed(runtime))

    def crafted_on(self, key: str, view: str) -> nn.Module:
        """The network as an attacker looks at it."""
        return self._kept(("crafted on", key, view), lambda: self.variant(key).view(view))

    def _kept(self, name: tuple[str, ...], build: Any) -> nn.Module:
        if name not in self._networks:
            while len(self._networks) >= _KEPT:
                self._networks.pop(next(iter(self._networks)))
            self._networks[name] = build()
        return self._networks[name]
