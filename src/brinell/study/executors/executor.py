"""Who does the tasks. Each is done once, by one worker, and rows do not depend on which."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, Self

import torch

from brinell.study.executors.run_task import run_task
from brinell.study.executors.task_queue import TaskQueue
from brinell.study.tasks import Task, TaskResult
from brinell.study.worker_context import WorkerContext


@dataclass(frozen=True)
class TaskProgress:
    """How far a task is: `done` of `total` of what `label` names."""

    task: Task
    label: str
    done: float
    total: float


Tell = Callable[[TaskProgress], None]


class Executor(Protocol):
    """Does the tasks it is given, in any order; every one of them may be done at once."""

    def submit(self, task: Task) -> None:
        """Take a task, and return at once."""

    def wait(self, tell: Tell) -> list[TaskResult]:
        """Work until at least one task has ended.

        Raises:
            StoreError: the run's folder can no longer be written.
        """

    def __enter__(self) -> Self:
        """Start."""

    def __exit__(self, *_: object) -> None:
        """Stop at once, whatever is still going on."""


class Serial:
    """One task after another in this process, on `threads` cores."""

    def __init__(self, context: WorkerContext, threads: int) -> None:
        self.context, self.threads = context, threads
        self.queue = TaskQueue()

    def submit(self, task: Task) -> None:
        """Add it to the queue."""
        self.queue.push(task)

    def wait(self, tell: Tell) -> list[TaskResult]:
        """Do the next task."""
        task = self.queue.pop()
        return [run_task(self.context, task, lambda label, done, total: tell(TaskProgress(task, label, done, total)))]

    def __enter__(self) -> Self:
        self.before = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        return self

    def __exit__(self, *_: object) -> None:
        torch.set_num_threads(self.before)
