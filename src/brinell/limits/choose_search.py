"""The search that suits the numbers that are searched, and the goals."""

from __future__ import annotations

from collections.abc import Sequence

from brinell.limits.bracketing import Bracketing
from brinell.limits.genetic_search import GeneticSearch
from brinell.limits.search import Search
from brinell.limits.search_space import SearchedNumber
from brinell.limits.tree_search import TreeSearch


def search_for(numbers: Sequence[SearchedNumber], *, seed: int, goals: int = 1) -> Search:
    """A genetic search for two goals; for one, bracketing if a single number has an order, or else a tree search.

    Args:
        numbers: What is searched, at least one.
        seed: Decides what the tree search and the genetic search try.
        goals: How many figures are to be small at once.

    Returns:
        A search that has tried nothing yet.

    Examples:
        >>> type(search_for(list(searched_numbers({"bits": {"search": [2, 8]}})), seed=0)).__name__
        'Bracketing'
    """
    if goals > 1:
        return GeneticSearch(numbers, seed=seed, goals=goals)
    ordered = all(isinstance(value, (int, float)) for number in numbers for value in number.choices)
    if len(numbers) == 1 and ordered:
        return Bracketing(numbers[0])
    return TreeSearch(numbers, seed=seed)
