"""Searches for the cheapest setting that keeps conditions: bracketing, or Optuna for several numbers. No torch."""

from brinell.limits.bracketing import Bracketing
from brinell.limits.choose_search import search_for
from brinell.limits.genetic_search import GeneticSearch
from brinell.limits.search import Outcome, Search
from brinell.limits.search_space import SearchedNumber, corners, filled, searched_numbers
from brinell.limits.tree_search import TreeSearch

__all__ = [
    "Bracketing",
    "GeneticSearch",
    "Outcome",
    "Search",
    "SearchedNumber",
    "TreeSearch",
    "corners",
    "filled",
    "search_for",
    "searched_numbers",
]
