"""Shares that are given layer by layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from brinell.compressors.budgets.resolved_budget import ResolvedBudget
from brinell.compressors.rates.rates import ChosenRates, RateProblem, Rates
from brinell.core import ConfigurationError, Fraction


def _pairs(value: Any) -> Any:
    return tuple(value.items()) if isinstance(value, Mapping) else value


def _shares(value: tuple[tuple[str, float], ...]) -> tuple[tuple[str, float], ...]:
    if len({name for name, _ in value}) < len(value):
        raise ValueError("a layer stands in it twice")
    for name, share in value:
        if not 0 < share <= 1:
            raise ValueError(f"{name}: expected a share above 0 and up to 1, not {share:g}")
    return value


class Layers(Rates):
    """The layers named in `shares` keep what is given there; the others share what is left of the budget alike."""

    kind = "layers"

    shares: Annotated[
        tuple[tuple[str, Fraction], ...], BeforeValidator(_pairs), AfterValidator(_shares), Field(min_length=1)
    ]
    """By layer (of a group of channels, the one that it is named after) the share of its units that is kept."""

    def check(self, resolved: ResolvedBudget) -> None:
        """The layers are pruned here, and what is given for them leaves something of the budget."""
        given = dict(self.shares)
        for name in given:
            if name not in resolved.units:
                raise ConfigurationError(
                    f"rates: {name!r} is no layer that is pruned here; these are: {', '.join(resolved.units)}"
                )
        least = {name: given.get(name, share) for name, share in resolved.smallest.items()}
        if resolved.cost(least) > resolved.total * (1 + 1e-6):
            raise ConfigurationError(
                f"rates: the shares given keep {resolved.cost(least) / resolved.total:.4g} times what the budget "
                "allows, however little is kept of the other layers"
            )

    def choose(self, case: RateProblem) -> ChosenRates:
        """As given, and one common share for the rest."""
        self.check(case.resolved)
        resolved, given = case.resolved, dict(self.shares)
        return ChosenRates({name: given.get(name, resolved.rest(given)) for name in resolved.units})
