"""What a network costs as a function of the shares that pruning keeps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple


class Term(NamedTuple):
    """`amount` times the kept share of each of `units`; one that is named twice counts twice."""

    amount: float
    units: tuple[str, ...]


@dataclass(frozen=True)
class Cost:
    """What cannot be pruned, and a sum of products of kept shares: it rises with every share."""

    fixed: float
    terms: tuple[Term, ...]

    def __call__(self, shares: Mapping[str, float]) -> float:
        """For these shares, each in [0, 1]."""
        total = self.fixed
        for amount, units in self.terms:
            for unit in units:
                amount *= shares[unit]
            total += amount
        return total

    def without(self, units: Mapping[str, float]) -> float:
        """What falls away if only these units are cut to their shares, and all others are whole."""
        whole = {unit: 1.0 for term in self.terms for unit in term.units}
        return self(whole) - self({**whole, **units})


def largest_within(
    function: Callable[[float], float], low: float, high: float, limit: float, *, near: float = 1e-13
) -> float:
    """The largest x in [low, high] at which a rising `function` is not above `limit`; `low` where it is everywhere.

    False position with bisection in between: exact in one step where the function is a straight line. It ends where
    the function is `near` (as a part of it) to the limit, from below or above.

    Args:
        function: Rises over the interval.
        low: Left end.
        high: Right end.
        limit: Largest value that is accepted.
        near: Accepted relative difference to `limit`.

    Returns:
        A point of the interval.

    Examples:
        >>> largest_within(lambda x: 2 * x, 0.0, 1.0, 0.5)
        0.25
    """
    below, above = function(low), function(high)
    if above <= limit:
        return high
    if below >= limit:
        return low
    for turn in range(200):
        share = 0.5 if turn % 3 == 2 else (limit - below) / (above - below)
        at = low + share * (high - low)
        value = function(at)
        if abs(value - limit) <= near * abs(limit) or at in (low, high):
            return at
        if value < limit:
            low, below = at, value
        else:
            high, above = at, value
    return low
