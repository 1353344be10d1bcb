"""Bracketing: bisection for one number that is monotone in cost and in what it does to a network."""

from __future__ import annotations

import math
from typing import Any, Final

from brinell.limits.search import Outcome, Search
from brinell.limits.search_space import SearchedNumber

TOLERANCE: Final = 1.03
"""The search ends where the ends of the bracket differ by no more than this factor, in the scale of the bisection."""


class Bracketing(Search):
    """Tries both ends, and halves what lies between the cheapest that keeps the conditions and the next that does not.

    The end that costs more is the mild one. A range is halved on a log scale: of the number where cost rises with it
    (a share to keep), of one minus the number where cost falls with it and it is under 1 (a sparsity). Integers and
    choices are halved by their rank.

    Example:
        >>> search = Bracketing(SearchedNumber(("macs",), 0.1, 1.0))
        >>> search.ask()
        (0.1,)
    """

    def __init__(self, number: SearchedNumber) -> None:
        self.number = number
        self.values = self._listed()
        self.told: dict[Any, Outcome] = {}

    def ask(self) -> tuple[Any] | None:
        """See `Search`."""
        for end in self.number.ends:
            if end not in self.told:
                return (end,)
        value = self._between()
        return None if value is None or value in self.told else (value,)

    def tell(self, values: tuple[Any, ...], outcome: Outcome) -> None:
        """See `Search`."""
        self.told[values[0]] = outcome

    def _listed(self) -> tuple[Any, ...]:
        """The values that there are; none for a range of real numbers."""
        if self.number.choices:
            return self.number.choices
        return tuple(range(int(self.number.low), int(self.number.high) + 1)) if self.number.integer else ()

    def _between(self) -> Any:
        """The middle of the bracket; `None` where there is none or it is narrow enough."""
        low, high = self.number.ends
        falls = self._falls(low, high)
        mild, extreme = (low, high) if falls else (high, low)
        if not self.told[mild].kept or self.told[extreme].kept or self.told[low].cost == self.told[high].cost:
            return None
        ordered = sorted(self.told, reverse=not falls)  # from mild to extreme
        first = next(place for place, value in enumerate(ordered) if not self.told[value].kept)
        return self._middle(ordered[first - 1], ordered[first], falls)

    def _falls(self, low: Any, high: Any) -> bool:
        """Whether the cost falls with the number; an end that could not be made is the extreme one."""
        first, last = self.told[low].cost, self.told[high].cost
        if first is None or last is None:
            return last is None
        return last < first

    def _middle(self, mild: Any, extreme: Any, falls: bool) -> Any:
        if self.values:
            ranks = sorted((self.values.index(mild), self.values.index(extreme)))
            return self.values[sum(ranks) // 2] if ranks[1] - ranks[0] > 1 else None
        complement = falls and max(mild, extreme) < 1
        ends = sorted((1 - mild, 1 - extreme)) if complement else sorted((mild, extreme))
        if ends[0] <= 0:
            return None if ends[1] - ends[0] < 1e-3 else self.number.rounded(sum(ends) / 2)
        if ends[1] / ends[0] <= TOLERANCE:
            return None
        middle = math.sqrt(ends[0] * ends[1])
        return self.number.rounded(1 - middle if complement else middle)
