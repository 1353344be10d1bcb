"""The search that suits the numbers that are searched."""

from __future__ import annotations

from collections.abc import Sequence

from brinell.limits.bracketing import Bracketing
from brinell.limits.search import Search
from brinell.limits.search_space import SearchedNumber
from brinell.limits.tree_search import TreeSearch


def search_for(numbers: Sequence[SearchedNumber], *, seed: int, budget: int) -> Search:
    """Bracketing for one number whose values have an order, a tree search otherwise; `budget` proposals at most."""
    ordered = all(isinstance(value, (int, float)) for number in numbers for value in number.choices)
    if len(numbers) == 1 and ordered:
        return Bracketing(numbers[0])
    return TreeSearch(numbers, seed=seed, budget=budget)
