"""A search for two costs at once: NSGA-II under constraints."""

from __future__ import annotations

from typing import Any, Final

from brinell.limits.optuna_search import OptunaSearch, constraints

_POPULATION: Final = 4
"""Members of a generation for each number; searches make few networks, so that generations are small."""


class GeneticSearch(OptunaSearch):
    """Proposes by NSGA-II (Deb et al. 2002, as Optuna implements it), whose first generation is random.

    It ranks by domination in all goals: what meets the conditions comes before what does not.

    Raises:
        ConfigurationError: Optuna is not installed.
    """

    def _sampler(self, seed: int) -> Any:
        return self.optuna.samplers.NSGAIISampler(
            seed=seed, population_size=max(4, _POPULATION * len(self.numbers)), constraints_func=constraints
        )
