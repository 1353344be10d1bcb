"""Which task may begin when, and what an ending means for the tasks that wait for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from brinell.study.executors.executor import Executor, TaskProgress
from brinell.study.tasks import Status, Task, TaskResult


class Schedule:
    """The tasks that are left, as a graph that its endings use up."""

    def __init__(self, tasks: Sequence[Task], unsupported: Mapping[str, str]) -> None:
        self._unsupported = unsupported
        self._needs = {task.id: {*task.after, *task.after_any} for task in tasks}
        self._children: dict[str, list[Task]] = {task.id: [] for task in tasks}
        for task in tasks:
            for parent in self._needs[task.id]:
                self._children[parent].append(task)
        self._roots = [task for task in tasks if not self._needs[task.id]]

    def start(self) -> tuple[list[TaskResult], list[Task]]:
        """Endings that are known from the beginning, and the tasks that may begin."""
        endings, ready = self._sorted(self._roots)
        return self._settle(endings, ready)

    def after(self, ending: TaskResult) -> tuple[list[TaskResult], list[Task]]:
        """The ending with those that follow from it, and the tasks that may begin now."""
        return self._settle([ending], [])

    def _settle(self, endings: list[TaskResult], ready: list[Task]) -> tuple[list[TaskResult], list[Task]]:
        for ending in endings:  # grows while it is walked
            for child in self._children.pop(ending.task.id, []):
                needs = self._needs.get(child.id)
                if needs is None:
                    continue
                if ending.status == "done" or ending.task.id not in child.after:
                    needs.discard(ending.task.id)
                    if not needs:
                        known, free = self._sorted([child])
                        endings += known
                        ready += free
                else:
                    del self._needs[child.id]
                    endings.append(
                        TaskResult(child, _inherited(ending.status), f"{ending.task.label}: {ending.message}")
                    )
        return endings, ready

    def _sorted(self, tasks: Sequence[Task]) -> tuple[list[TaskResult], list[Task]]:
        """What an earlier run found to be unsupported is not tried again."""
        known, free = [], []
        for task in tasks:
            if all(name in self._unsupported for name in task.records):
                known.append(TaskResult(task, "unsupported", self._unsupported[task.records[0]]))
            else:
                free.append(task)
        return known, free


def without_failed(tasks: Sequence[Task], endings: Mapping[str, TaskResult]) -> tuple[Task, ...]:
    """The tasks without those that failed in an earlier round of the same call, and those that wait for them."""
    failed = {name for name, ending in endings.items() if ending.status in ("failed", "blocked")}
    while more := {task.id for task in tasks if task.id not in failed and failed & set(task.after)}:
        failed |= more
    return tuple(
        replace(task, after_any=tuple(name for name in task.after_any if name not in failed))
        for task in tasks
        if task.id not in failed
    )


def execute(
    tasks: Sequence[Task],
    executor: Executor,
    observe: Callable[[TaskProgress | TaskResult], None],
    unsupported: Mapping[str, str],
) -> list[TaskResult]:
    """Give `executor` every task whose parents are done, until none is left; `unsupported` are messages by task."""
    schedule = Schedule(tasks, unsupported)
    endings: list[TaskResult] = []
    pending = 0

    def go_on(ended: list[TaskResult], ready: list[Task]) -> None:
        nonlocal pending
        for ending in ended:
            endings.append(ending)
            observe(ending)
        for task in ready:
            executor.submit(task)
        pending += len(ready)

    go_on(*schedule.start())
    while pending:
        for ending in executor.wait(observe):
            pending -= 1
            go_on(*schedule.after(ending))
    return endings


def _inherited(status: Status) -> Status:
    return "unsupported" if status == "unsupported" else "blocked"
