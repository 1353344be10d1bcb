"""What every search is: it proposes values, is told what came of them, and ends by itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from brinell.limits.search_space import SearchedNumber


@dataclass(frozen=True)
class Outcome:
    """What came of a proposal."""

    cost: float | None
    """What is minimised; `None` where nothing could be made."""
    violation: float
    """How far the conditions are missed; they are kept where it is not above 0."""

    @property
    def kept(self) -> bool:
        """Whether something was made that keeps the conditions."""
        return self.cost is not None and self.violation <= 0


class Search(ABC):
    """Asked for one proposal at a time, and told its outcome before the next. Equal outcomes give equal proposals."""

    @abstractmethod
    def ask(self) -> tuple[Any, ...] | None:
        """A value for each searched number; `None` at the end of the search."""

    @abstractmethod
    def tell(self, values: tuple[Any, ...], outcome: Outcome) -> None:
        """What came of the values that were proposed last."""


def search_for(numbers: Sequence[SearchedNumber], *, seed: int, budget: int) -> Search:
    """Bracketing for one number whose values have an order, a tree search otherwise; `budget` proposals at most."""
    from brinell.limits.bracketing import Bracketing
    from brinell.limits.tree_search import TreeSearch

    ordered = all(isinstance(value, (int, float)) for number in numbers for value in number.choices)
    if len(numbers) == 1 and ordered:
        return Bracketing(numbers[0])
    return TreeSearch(numbers, seed=seed, budget=budget)
