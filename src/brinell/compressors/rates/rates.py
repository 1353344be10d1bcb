"""What every rate rule is."""

from __future__ import annotations

from abc import abstractmethod

from brinell.compressors.budget import Allowance
from brinell.core import Spec


class Rates(Spec):
    """A rule that shares a budget out among the layers."""

    @abstractmethod
    def shares(self, allowance: Allowance) -> dict[str, float]:
        """The share of its weights that each layer keeps, in (0, 1]."""
