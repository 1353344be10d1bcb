"""Budgets: how much of a network pruning may keep, and what keeping a weight costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_serializer, model_validator

from brinell.core import ConfigurationError, Fraction
from brinell.costs import LayerCost

_EXACTLY_ONE = "exactly one of"


class Budget(BaseModel):
    """Exactly one of: the fraction of weights that become zero, or the share of MACs or of all parameters to keep.

    Zero weights count as skipped multiply-accumulates and as parameters that are gone, as the papers count them.
    Weights are those of float convolutions and linear layers; parameters are all that training sets.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    sparsity: Fraction | None = Field(None, ge=0, lt=1)
    macs: Fraction | None = Field(None, gt=0, le=1)
    parameters: Fraction | None = Field(None, gt=0, le=1)

    @model_validator(mode="after")
    def _one(self) -> Self:
        if len(self._given()) != 1:
            raise ValueError(f"expected {_EXACTLY_ONE} {', '.join(type(self).model_fields)}")
        return self

    @model_serializer
    def _given(self) -> dict[str, float]:
        values = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: value for name, value in values.items() if value is not None}

    def allowance(self, layers: Sequence[LayerCost], prunable: Mapping[str, int], parameters: int) -> Allowance:
        """What may be kept of the layers whose number of weights `prunable` gives, in the budget's own unit.

        Raises:
            ConfigurationError: what cannot be pruned alone is over the budget.
        """
        weights = sum(prunable.values())
        prices = dict.fromkeys(prunable, 1.0)
        fixed, whole = 0, weights
        if self.macs is not None:
            prices = {layer.name: layer.macs / layer.weights for layer in layers if layer.name in prunable}
            whole = sum(layer.macs for layer in layers)
            fixed = sum(layer.macs for layer in layers if layer.name not in prunable)
        elif self.parameters is not None:
            whole, fixed = parameters, parameters - weights
        kept = 1 - self.sparsity if self.sparsity is not None else self.macs or self.parameters or 1.0
        ((name, value),) = self._given().items()
        total = kept * whole - fixed
        if total <= 0:
            raise ConfigurationError(
                f"budget.{name}: {value:g} cannot be met: what cannot be pruned makes up {fixed / whole:.1%}"
            )
        return Allowance(dict(prunable), prices, total)


@dataclass(frozen=True)
class Allowance:
    """A budget for one network: `total` may be spent, and a weight of a layer costs its `price`."""

    weights: Mapping[str, int]
    prices: Mapping[str, float]
    total: float

    @property
    def share(self) -> float:
        """What can be kept of every layer alike."""
        whole = sum(self.weights[name] * self.prices[name] for name in self.weights)
        return min(1.0, self.total / whole)

    def counts(self, shares: Mapping[str, float]) -> dict[str, int]:
        """How many weights each layer keeps for these shares: rounded so that the budget is spent and not exceeded.

        Raises:
            ConfigurationError: a layer would keep none, which cuts the network in two.
        """
        wanted = {name: shares[name] * weights for name, weights in self.weights.items()}
        counts = {name: int(value + 1e-6) for name, value in wanted.items()}
        left = self.total * (1 + 1e-12) - sum(counts[name] * self.prices[name] for name in counts)
        for name in sorted(counts, key=lambda name: counts[name] - wanted[name]):
            if wanted[name] > counts[name] and self.prices[name] <= left:
                counts[name] += 1
                left -= self.prices[name]
        for name, count in counts.items():
            if count < 1:
                raise ConfigurationError(
                    f"budget: {shares[name]:.3g} of the {self.weights[name]} weights of {name} is none; keep more"
                )
        return counts
