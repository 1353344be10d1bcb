"""What the searches by Optuna share: its study, asked and told, with the conditions as constraint."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Final

from brinell.core import require
from brinell.limits.search import Outcome, Search
from brinell.limits.search_space import SearchedNumber

_REPEATED: Final = 30
"""Proposals without a new one after which a search ends: rounded numbers and choices are proposed again."""
_VIOLATION: Final = "violation"


class OptunaSearch(Search):
    """Proposes by a sampler of Optuna. What could not be made is told as failed.

    Numbers whose range is positive are sampled on a log scale. The first proposal is the middle of all ranges.

    Raises:
        ConfigurationError: Optuna is not installed.
    """

    def __init__(self, numbers: Sequence[SearchedNumber], *, seed: int, goals: int = 1) -> None:
        self.optuna = require("optuna", extra="limits", setting="limits: a search over several numbers or goals")
        self.numbers, self.goals = tuple(numbers), goals
        self.seen: set[str] = set()
        self.repeated = 0
        self.asked: Any = None
        self.optuna.logging.set_verbosity(self.optuna.logging.WARNING)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # constraints are marked experimental
            self.study = self.optuna.create_study(directions=["minimize"] * goals, sampler=self._sampler(seed))
        self.study.enqueue_trial({number.name: _middle(number) for number in self.numbers})

    @abstractmethod
    def _sampler(self, seed: int) -> Any:
        """Optuna's sampler, which must not depend on the budget: a larger one begins with the same proposals."""

    def ask(self) -> tuple[Any, ...] | None:
        """See `Search`."""
        if self.repeated >= _REPEATED:
            return None
        self.asked = self.study.ask({number.name: self._distribution(number) for number in self.numbers})
        values = tuple(self._value(number, self.asked.params[number.name]) for number in self.numbers)
        self.repeated = self.repeated + 1 if repr(values) in self.seen else 0
        self.seen.add(repr(values))
        return values

    def tell(self, values: tuple[Any, ...], outcome: Outcome) -> None:
        """See `Search`."""
        self.asked.set_user_attr(_VIOLATION, outcome.violation)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if len(outcome.costs) < self.goals:
                self.study.tell(self.asked, state=self.optuna.trial.TrialState.FAIL)
            else:
                self.study.tell(self.asked, list(outcome.costs[: self.goals]))

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


def constraints(trial: Any) -> tuple[float]:
    """By how much a trial misses the conditions."""
    return (float(trial.user_attrs.get(_VIOLATION, 1.0)),)


def _middle(number: SearchedNumber) -> float | int:
    if number.choices:
        return len(number.choices) // 2
    positive = number.low > 0
    return number.rounded((number.low * number.high) ** 0.5 if positive else (number.low + number.high) / 2)
