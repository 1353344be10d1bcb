"""The tasks that may start, in the order in which they should."""

from __future__ import annotations

import heapq
from collections import defaultdict, deque

from brinell.study.tasks import Task


class TaskQueue:
    """Tasks by priority, then in the order they came; every operation takes logarithmic time at most."""

    def __init__(self) -> None:
        self._waiting: dict[int, Task] = {}
        self._order: list[tuple[int, int]] = []
        self._of_variant: dict[tuple[int, str], deque[int]] = defaultdict(deque)
        self._count = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def push(self, task: Task) -> None:
        """Add a task."""
        self._waiting[self._count] = task
        heapq.heappush(self._order, (task.priority, self._count))
        self._of_variant[task.priority, task.variant.key].append(self._count)
        self._count += 1

    def pop(self, variant: str = "") -> Task:
        """Take the next task; among equals one of `variant`, the key of a network that the worker holds already.

        Raises:
            IndexError: it is empty.
        """
        while self._order and self._order[0][1] not in self._waiting:
            heapq.heappop(self._order)
        priority, number = self._order[0]
        held = self._of_variant.get((priority, variant), deque())
        while held and held[0] not in self._waiting:
            held.popleft()
        return self._waiting.pop(held.popleft() if held else number)
