"""The same share of every layer."""

from __future__ import annotations

from brinell.compressors.rates.rates import ChosenRates, RateProblem, Rates


class Uniform(Rates):
    """Every layer keeps the same share of its units.

    Examples:
        >>> import brinell
        >>> brinell.compressors.Prune().rates
        Uniform()
    """

    kind = "uniform"

    def choose(self, case: RateProblem) -> ChosenRates:
        """the budget's own share, everywhere."""
        return ChosenRates(dict.fromkeys(case.resolved.units, case.resolved.share))
