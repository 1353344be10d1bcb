"""A search over several numbers: Optuna's tree-structured Parzen estimator under constraints, asked and told."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Final

from brinell.core import require
from brinell.limits.search import Outcome, Search
from brinell.limits.search_space import SearchedNumber

_ASKED_AGAIN: Final = 4
"""Proposals for each variant of the budget: numbers that are rounded, and choices, are proposed again."""
_VIOLATION: Final = "violation"


class TreeSearch(Search):
    """Proposes by TPE (Bergstra et al. 2011, as Optuna implements it); the conditions are its constraint.

    What could not be made is told as failed. Numbers whose range is positive are sampled on a log scale. The first
    proposals are the middle of all ranges, then random ones, as many as a third of the budget.

    Raises:
        ConfigurationError: Optuna is not installed.
    """

    def __init__(self, numbers: Sequence[SearchedNumber], *, seed: int, budget: int) -> None:
        self.optuna = require("optuna", extra="limits", setting="limits: a search over several numbers")
        self.numbers = tuple(numbers)
        self.left = budget * _ASKED_AGAIN
        self.asked: Any = None
        self.optuna.logging.set_verbosity(self.optuna.logging.WARNING)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # constraints are marked experimental
            sampler = self.optuna.samplers.TPESampler(
                seed=seed, n_startup_trials=max(3, budget // 3), constraints_func=_constraints
            )
            self.study = self.optuna.create_study(direction="minimize", sampler=sampler)
        self.study.enqueue_trial({number.name: _middle(number) for number in self.numbers})

    def ask(self) -> tuple[Any, ...] | None:
        """See `Search`."""
        if self.left <= 0:
            return None
        self.left -= 1
        self.asked = self.study.ask({number.name: self._distribution(number) for number in self.numbers})
        return tuple(self._value(number, self.asked.params[number.name]) for number in self.numbers)

    def tell(self, values: tuple[Any, ...], outcome: Outcome) -> None:
        """See `Search`."""
        self.asked.set_user_attr(_VIOLATION, outcome.violation)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if outcome.cost is None:
                self.study.tell(self.asked, state=self.optuna.trial.TrialState.FAIL)
            else:
                self.study.tell(self.asked, outcome.cost)

    def _distribution(self, number: SearchedNumber) -> Any:
        kinds = self.optuna.distributions
        if number.choices:
            return kinds.CategoricalDistribution(list(range(len(number.choices))))
        log = number.low > 0
        if number.integer:
            return kinds.IntDistribution(int(number.low), int(number.high), log=log)
        return kinds.FloatDistribution(number.low, number.high, log=log)

    def _value(self, number: SearchedNumber, found: Any) -> Any:
        return number.choices[found] if number.choices else number.rounded(found)


def _middle(number: SearchedNumber) -> float | int:
    if number.choices:
        return len(number.choices) // 2
    positive = number.low > 0
    return number.rounded((number.low * number.high) ** 0.5 if positive else (number.low + number.high) / 2)


def _constraints(trial: Any) -> tuple[float]:
    return (float(trial.user_attrs.get(_VIOLATION, 1.0)),)
