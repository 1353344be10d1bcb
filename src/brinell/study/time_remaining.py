"""The time that is left: arithmetic on what is done and how long it took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, get_args

from brinell.study.executors import TaskProgress
from brinell.study.tasks import Kind, Task, TaskResult

_JUDGING: Final = 0.3
"""Time of an attack's pass over that of a training's, until both are measured: no optimiser, and larger batches."""
_ALWAYS: Final = 100.0
"""Passes that every task counts for besides its own: reading, writing, a checkpoint that is only loaded."""
_ENOUGH: Final = 0.02
"""Share of a task that must be done before its speed says anything."""


@dataclass
class TimeRemaining:
    """What is known of a run's speed. Times are seconds of one clock, `now` among them."""

    tasks: Sequence[Task]
    running: dict[str, _Running] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    spent: dict[Kind, float] = field(default_factory=lambda: dict.fromkeys(get_args(Kind), 0.0))
    done: dict[Kind, float] = field(default_factory=lambda: dict.fromkeys(get_args(Kind), 0.0))

    def advance(self, event: TaskProgress, now: float) -> None:
        """A task is so far; it never goes back, even where it has several stages."""
        share = min(event.done / event.total, 1.0) if event.total else 0.0
        known = self.running.setdefault(event.task.id, _Running(event.task, now))
        known.share = max(share, known.share)

    def end(self, ending: TaskResult, now: float) -> None:
        """A task is over, however it ended; one that never began says nothing about speed."""
        self.ended.add(ending.task.id)
        known = self.running.pop(ending.task.id, None)
        if known is not None:
            self.spent[ending.task.kind] += now - known.began
            self.done[ending.task.kind] += _passes(ending.task)

    def seconds(self, now: float) -> float | None:
        """Time left at the speed so far; unknown at first."""
        spent, done = dict(self.spent), dict(self.done)
        for known in self.running.values():
            if known.share > _ENOUGH:
                spent[known.task.kind] += now - known.began
                done[known.task.kind] += known.share * _passes(known.task)
        speed: dict[Kind, float] = {kind: spent[kind] / done[kind] for kind in done if done[kind]}
        if not speed:
            return None
        attacking = speed.get("judging", speed.get("asking"))
        making = speed.get("making", (attacking or 0.0) / _JUDGING)
        judging = making * _JUDGING if attacking is None else attacking
        each: dict[Kind, float] = {"making": making, "judging": judging, "asking": speed.get("asking", judging)}
        remaining = sum(each[task.kind] * self._remaining(task) for task in self.tasks if task.id not in self.ended)
        return remaining / max(len(self.running), 1)

    def _remaining(self, task: Task) -> float:
        known = self.running.get(task.id)
        return _passes(task) * (1 - (known.share if known else 0.0))


@dataclass
class _Running:
    task: Task
    began: float
    share: float = 0.0


def _passes(task: Task) -> float:
    return task.passes + _ALWAYS
