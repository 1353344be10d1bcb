"""Budgets: how much of a network pruning may keep, and how many units that is of each layer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_serializer, model_validator

from brinell.compressors.granularities import Cost, Parts, Term, largest_within
from brinell.core import ConfigurationError, Fraction
from brinell.costs import LayerCost

_EXACTLY_ONE = "exactly one of"
_NEAR = 1e-3
"""Of the budget: what is left over once the shares are rounded is spent where it is more than this."""


class Budget(BaseModel):
    """Exactly one of: the fraction of weights that goes, or the share of MACs or of all parameters to keep.

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

    def allowance(self, parts: Parts, layers: Sequence[LayerCost], parameters: int) -> Allowance:
        """What may be kept of `parts` of the network with these `layers` and so many parameters.

        Raises:
            ConfigurationError: the least that can be left is over the budget.
        """
        if self.macs is not None:
            amounts, vectors, other = {layer.name: layer.macs for layer in layers}, {}, 0
        else:
            amounts = {layer.name: layer.weights for layer in layers if layer.kind == "float"}
            vectors = dict(parts.vectors) if self.parameters is not None else {}
            other = parameters - sum(amounts.values()) - sum(vectors.values()) if self.parameters is not None else 0
        terms = [Term(amounts[name] * term.amount, term.units) for name in parts.left for term in parts.left[name]]
        terms += [Term(count, (name,)) for name, count in vectors.items()]
        fixed = other + sum(amount for name, amount in amounts.items() if name not in parts.left)
        whole = sum(amounts.values()) + sum(vectors.values()) + other
        ((name, value),) = self._given().items()
        kept = 1 - value if name == "sparsity" else value
        allowance = Allowance(dict(parts.units), Cost(fixed, tuple(terms)), kept * whole)
        least = allowance.cost(allowance.smallest) / whole
        if least > kept * (1 + 1e-12):
            possible = (
                f"the largest possible is {math.floor((1 - least) * 1e4) / 1e4:g}"
                if name == "sparsity"
                else f"the smallest possible is {math.ceil(least * 1e4) / 1e4:g}"
            )
            raise ConfigurationError(
                f"budget.{name}: {value:g} cannot be met: {possible}, with one {parts.unit} left of each layer"
            )
        return allowance


@dataclass(frozen=True)
class Allowance:
    """A budget for one network: `units` is what each layer has, and the `cost` of what is kept may be `total`."""

    units: Mapping[str, int]
    cost: Cost
    total: float

    @property
    def smallest(self) -> dict[str, float]:
        """The shares that leave one unit of each layer."""
        return {name: 1 / count for name, count in self.units.items()}

    @property
    def share(self) -> float:
        """What can be kept of every layer alike (or one unit, where that is more)."""
        return self.rest({})

    def rest(self, given: Mapping[str, float]) -> float:
        """What can be kept alike of every layer that has not been `given` a share; 0 if nothing can."""

        def cost(share: float) -> float:
            return self.cost({name: given.get(name, max(share, least)) for name, least in self.smallest.items()})

        return largest_within(cost, 0.0, 1.0, self.total)

    def counts(self, shares: Mapping[str, float]) -> dict[str, int]:
        """How many units each layer keeps for these shares, one at least: rounded so that what they cost is spent as
        nearly as whole units allow, and neither that nor the budget is exceeded.

        Raises:
            ConfigurationError: the shares are over the budget.
        """
        wanted = {name: max(1.0, shares[name] * units) for name, units in self.units.items()}
        asked = self._spent(wanted)
        if asked > self.total * (1 + 1e-6):
            raise ConfigurationError(f"rates: they keep {asked / self.total:.4g} times what the budget allows")
        limit = min(asked, self.total) * (1 + 1e-12)
        counts = {name: int(value + 1e-6) for name, value in wanted.items()}
        for name in sorted(counts, key=lambda name: counts[name] - wanted[name]):
            if wanted[name] > counts[name]:
                self._add(counts, name, limit)
        while limit - self._spent(counts) > _NEAR * limit:
            behind = sorted(counts, key=lambda name: (counts[name] - wanted[name]) / self.units[name])
            if not any(self._add(counts, name, limit) for name in behind):
                break
        return counts

    def _add(self, counts: dict[str, int], name: str, limit: float) -> bool:
        """Keep one unit more, if that stays within `limit`."""
        if counts[name] == self.units[name]:
            return False
        counts[name] += 1
        if self._spent(counts) > limit:
            counts[name] -= 1
            return False
        return True

    def _spent(self, counts: Mapping[str, float]) -> float:
        return self.cost({name: count / self.units[name] for name, count in counts.items()})
