"""What every rate rule is."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from brinell.compressors.budgets.resolved_budget import ResolvedBudget
from brinell.compressors.granularities import PrunableUnits
from brinell.core import Progress, Spec
from brinell.costs import LayerCost
from brinell.data import Dataset


@dataclass(frozen=True)
class RateProblem:
    """One network that is to be pruned, and all that a rule may look at."""

    module: nn.Module
    parts: PrunableUnits
    layers: Mapping[str, LayerCost]
    """Of the layers that units are named after, in order of execution."""
    resolved: ResolvedBudget
    data: Dataset
    """Examples to make choices with: those held out of the training, or all of the training split."""
    seed: int
    device: torch.device
    checkpoint: Path | None
    """A folder of the rule's own, to go on from after a kill."""
    context: str
    """What decides the outcome besides the rule, the data and the seed."""
    progress: Progress


@dataclass(frozen=True)
class ChosenRates:
    """What a rule has chosen: the share of its units that each layer keeps, in (0, 1], and what it measured for it."""

    shares: Mapping[str, float]
    figures: Mapping[str, Any] = field(default_factory=dict)


class Rates(Spec):
    """A rule that shares a budget out among the layers."""

    def check(self, resolved: ResolvedBudget) -> None:
        """Refuse a network or a budget that the rule's settings do not fit, as `choose` would.

        Raises:
            ConfigurationError: what does not fit.
        """
        return

    @abstractmethod
    def choose(self, case: RateProblem) -> ChosenRates:
        """The shares, which together cost no more than the budget.

        Raises:
            ConfigurationError: the rule's settings do not fit the network or the budget.
        """
