"""Tasks whose worker died: they are tried again, elsewhere first, a few times."""

from __future__ import annotations

from collections import defaultdict
from typing import Final

from brinell.core import ConfigurationError
from brinell.study.executors.task_queue import TaskQueue
from brinell.study.tasks import Task

MOST_RETRIES: Final = 3
"""Times that a task is tried again before it has failed, and with it what depends on it."""
MOST_FAILED_STARTS: Final = 4
"""Workers that die while they start, one after the other, before no further one is started."""


class LostTasks:
    """Counts the deaths of tasks' workers and of workers that start, and keeps tasks that wait to be tried again."""

    def __init__(self) -> None:
        self._places: dict[str, list[object]] = defaultdict(list)
        self._waiting: list[Task] = []
        self._failed_starts = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def deaths(self, task: Task) -> int:
        """How many workers have died over the task."""
        return len(self._places[task.id])

    def retry(self, task: Task, place: object) -> bool:
        """Keep the task, whose worker at `place` died over it, to be tried again; false where it was often enough."""
        self._places[task.id].append(place)
        if len(self._places[task.id]) > MOST_RETRIES:
            return False
        self._waiting.append(task)
        return True

    def pop(self, queue: TaskQueue, variant: str, place: object, *, only_worker: bool) -> Task | None:
        """The next task for a free worker at `place`: one that died elsewhere, then one of the queue.

        One that died here waits for another place, as long as there is any.
        """
        for task in self._waiting:
            if place not in self._places[task.id]:
                self._waiting.remove(task)
                return task
        if queue:
            return queue.pop(variant)
        return self._waiting.pop(0) if self._waiting and only_worker else None

    def free_place(self, taken: set[int], places: range) -> int:
        """Where a worker may start: at a place where no waiting task's worker has died, if one is free."""
        free = [place for place in places if place not in taken]
        died = {place for task in self._waiting for place in self._places[task.id]}
        return next((place for place in free if place not in died), free[0])

    def started(self) -> None:
        """A worker has started."""
        self._failed_starts = 0

    def failed_start(self, living: int, cause: str) -> int | None:
        """Count a worker that died while it started.

        Args:
            living: Workers that live.
            cause: Of its death, for the error.

        Returns:
            The most workers from now on, those that live, after `MOST_FAILED_STARTS` in a row; `None` before.

        Raises:
            ConfigurationError: so many died in a row, and none lives.
        """
        self._failed_starts += 1
        if self._failed_starts < MOST_FAILED_STARTS:
            return None
        if not living:
            raise ConfigurationError(f"executor: {cause}")
        return living
