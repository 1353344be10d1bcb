"""A search over several numbers: Optuna's tree-structured Parzen estimator under constraints."""

from __future__ import annotations

from typing import Any, Final

from brinell.limits.optuna_search import OptunaSearch, constraints

_RANDOM: Final = 4
"""Random proposals for each number, before the estimator begins."""


class TreeSearch(OptunaSearch):
    """Proposes by TPE (Bergstra et al. 2011, as Optuna implements it); the conditions are its constraint.

    Raises:
        ConfigurationError: Optuna is not installed.
    """

    def _sampler(self, seed: int) -> Any:
        return self.optuna.samplers.TPESampler(
            seed=seed, n_startup_trials=_RANDOM * len(self.numbers), constraints_func=constraints
        )
