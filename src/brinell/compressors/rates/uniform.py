"""The same share of every layer."""

from __future__ import annotations

from brinell.compressors.budget import Allowance
from brinell.compressors.rates.rates import Rates


class Uniform(Rates):
    """Every layer keeps the same share of its weights."""

    kind = "uniform"

    def shares(self, allowance: Allowance) -> dict[str, float]:
        """The allowance's own share, everywhere."""
        return dict.fromkeys(allowance.weights, allowance.share)
