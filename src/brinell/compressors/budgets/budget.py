"""Budgets: how much of a network pruning may keep, in one of four units."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Self

from pydantic import Field, model_serializer, model_validator

from brinell.compressors.budgets.file_size import ShareOrSize
from brinell.compressors.budgets.resolved_budget import ResolvedBudget
from brinell.compressors.granularities import Cost, Counts, PrunableUnits, Term, largest_within
from brinell.core import ConfigurationError, Fraction, ModelError, StrictModel
from brinell.costs import LayerCost

_EXACTLY_ONE = "exactly one of"
_NEAR = 2e-3
"""How near a file comes to its budget, as a part of it: every trial is encoded."""


class Budget(StrictModel):
    """Exactly one of: the fraction of weights that goes, or the share to keep of the MACs, of all parameters, or of the
    bytes that the network's `.brinell` file takes, which may be a size instead.

    Zero weights count as skipped multiply-accumulates and as parameters that are gone, as the papers count them; in
    bytes, their positions count as well. Weights are those of float convolutions and linear layers; parameters are all
    that training sets.
    """

    sparsity: Fraction | None = Field(None, ge=0, lt=1)
    """Share of the weights that become zero."""
    macs: Fraction | None = Field(None, gt=0, le=1)
    """Share of the multiply-accumulates to keep."""
    parameters: Fraction | None = Field(None, gt=0, le=1)
    """Share of the parameters to keep."""
    bytes: ShareOrSize | None = None
    """Share of the bytes of the file to keep, or a size such as `60 kB` (1,000 bytes; `KiB` has 1,024)."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if len(self._given()) != 1:
            raise ValueError(f"expected {_EXACTLY_ONE} {', '.join(type(self).model_fields)}")
        return self

    @property
    def size(self) -> int | None:
        """The bytes that the file may have, where the budget is a size."""
        return int(self.bytes.removesuffix(" B")) if isinstance(self.bytes, str) else None

    @model_serializer
    def _given(self) -> dict[str, float | str]:
        values = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: value for name, value in values.items() if value is not None}

    def resolve(
        self, parts: PrunableUnits, layers: Sequence[LayerCost], parameters: int, size: Callable[[Counts], int]
    ) -> ResolvedBudget:
        """What may be kept of `parts` of the network with these `layers` and so many parameters.

        `size` is the bytes of its file, pruned to some counts; it is only asked where the budget is in bytes. That
        budget is turned into one of weights: as many as stay where uniform rates meet it.

        Raises:
            ConfigurationError: the least that can be left is over the budget.
        """
        ((name, value),) = self._given().items()
        cost, whole = _cost(name, parts, layers, parameters)
        if not whole:
            raise ModelError(f"budget.{name}: the forward pass calls none of the layers that the network holds")
        resolved = ResolvedBudget(dict(parts.units), cost, whole)
        if name == "bytes":
            return self._of_file(resolved, size, parts.unit)
        kept = 1 - float(value) if name == "sparsity" else float(value)
        least = cost(resolved.smallest) / whole
        if least > kept * (1 + 1e-12):
            possible = (
                f"the largest possible is {math.floor((1 - least) * 1e4) / 1e4:g}"
                if name == "sparsity"
                else f"the smallest possible is {math.ceil(least * 1e4) / 1e4:g}"
            )
            raise _too_small(name, f"{value:g}", possible, parts.unit)
        return replace(resolved, total=kept * whole)

    def _of_file(self, resolved: ResolvedBudget, size: Callable[[Counts], int], unit: str) -> ResolvedBudget:
        dense = size(resolved.units)
        least = size(resolved.counts(resolved.smallest))
        if self.size is None:
            share = float(self.bytes or 0)
            if least > share * dense * (1 + 1e-12):
                possible = f"the smallest possible is {math.ceil(least / dense * 1e4) / 1e4:g}"
                raise _too_small("bytes", f"{share:g}", possible, unit)
            return _encoded(resolved, size, share * dense)
        if least > self.size:
            raise _too_small("bytes", f"{self.size:,} B", f"the smallest possible is {least:,} B", unit)
        if dense <= self.size:
            raise ConfigurationError(f"budget.bytes: {self.size:,} B are no budget: the file has {dense:,} B already")
        return _encoded(resolved, size, self.size)


def _too_small(name: str, value: str, possible: str, unit: str) -> ConfigurationError:
    return ConfigurationError(f"budget.{name}: {value} cannot be met: {possible}, with one {unit} left of each layer")


def _cost(name: str, parts: PrunableUnits, layers: Sequence[LayerCost], parameters: int) -> tuple[Cost, float]:
    """What is counted, as a function of the shares kept, and for the whole network."""
    if name == "macs":
        amounts, vectors, other = {layer.name: layer.macs for layer in layers}, {}, 0
    else:
        amounts = {layer.name: layer.weights for layer in layers if layer.kind == "float"}
        vectors = {} if name == "sparsity" else dict(parts.vectors)
        other = 0 if name == "sparsity" else parameters - sum(amounts.values()) - sum(vectors.values())
    terms = [Term(amounts[layer] * term.amount, term.units) for layer in parts.left for term in parts.left[layer]]
    terms += [Term(count, (layer,)) for layer, count in vectors.items()]
    fixed = other + sum(amount for layer, amount in amounts.items() if layer not in parts.left)
    return Cost(fixed, tuple(terms)), sum(amounts.values()) + sum(vectors.values()) + other


def _encoded(resolved: ResolvedBudget, size: Callable[[Counts], int], limit: float) -> ResolvedBudget:
    """With as much as uniform rates may keep for the file to be of `limit` bytes."""

    def allowed(share: float) -> ResolvedBudget:
        return replace(resolved, total=resolved.cost({n: max(share, least) for n, least in smallest.items()}))

    def encoded(share: float) -> float:
        shares = {name: max(share, least) for name, least in smallest.items()}
        return size(allowed(share).counts(shares))

    smallest = resolved.smallest
    return allowed(largest_within(encoded, 0.0, 1.0, limit, near=_NEAR))
