"""Which of several results no other one beats in every cost."""

from __future__ import annotations

from collections.abc import Sequence


def undominated(costs: Sequence[Sequence[float]]) -> list[int]:
    """Places of the results that no other one equals or beats in every cost; of equal ones the first.

    Example:
        >>> undominated([(3, 1), (2, 2), (3, 2), (2, 2)])
        [0, 1]
    """
    front: list[int] = []
    for place in sorted(range(len(costs)), key=lambda place: (*costs[place], place)):
        if not any(all(one <= other for one, other in zip(costs[best], costs[place], strict=True)) for best in front):
            front.append(place)
    return sorted(front)
