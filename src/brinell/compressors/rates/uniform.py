"""The same share of every layer."""

from __future__ import annotations

from brinell.compressors.rates.rates import Case, Choice, Rates


class Uniform(Rates):
    """Every layer keeps the same share of its units."""

    kind = "uniform"

    def choose(self, case: Case) -> Choice:
        """The allowance's own share, everywhere."""
        return Choice(dict.fromkeys(case.allowance.units, case.allowance.share))
