"""A resolved budget: what pruning may keep of one network, and how many units of each layer that is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from brinell.compressors.granularities import Cost, largest_within
from brinell.core import ConfigurationError

_NEAR = 1e-3
"""Of the budget: what is left over once the shares are rounded is spent where it is more than this."""


@dataclass(frozen=True)
class ResolvedBudget:
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
