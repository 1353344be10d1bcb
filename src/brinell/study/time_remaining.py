"""The time that is left: arithmetic on what is done and how long it took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, get_args

from brinell.study.executors.executor import TaskProgress
from brinell.study.tasks import Kind, Task, TaskResult

_JUDGING: Final = 0.6
"""Time of an attack's pass over that of a training's, until both are measured: no optimiser, and broken examples rest."""
_ASKING: Final = 0.8
"""The same of a probe's pass."""
_ALWAYS: Final = 100.0
"""Passes that every task counts for besides its own: reading, writing, a checkpoint that is only loaded."""
_ENOUGH: Final = 0.02
"""Share of a task that must be done before its speed says anything."""
_WARM: Final = 2.0
"""Seconds after which the first task's speed says something: first batches are slow."""


def _zeros() -> dict[Kind, float]:
    return dict.fromkeys(get_args(Kind), 0.0)


@dataclass
class TimeRemaining:
    """What is known of a run's speed. Times are seconds of one clock, `now` among them.

    Each event and each estimate takes time in proportion to the tasks that are running, however many are waiting.
    """

    tasks: Sequence[Task]
    running: dict[str, _Running] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    spent: dict[Kind, float] = field(default_factory=_zeros)
    done: dict[Kind, float] = field(default_factory=_zeros)
    waiting: dict[Kind, float] = field(default_factory=_zeros)
    """Passes of all tasks that have not ended."""

    def __post_init__(self) -> None:
        for task in self.tasks:
            self.waiting[task.kind] += _passes(task)

    def advance(self, event: TaskProgress, now: float) -> None:
        """Record progress; a task's share never decreases, even where it has several stages."""
        share = min(event.done / event.total, 1.0) if event.total else 0.0
        known = self.running.setdefault(event.task.id, _Running(event.task, now))
        known.share = max(share, known.share)

    def end(self, ending: TaskResult, now: float) -> None:
        """A task has ended, whatever its status; one that never began says nothing about speed."""
        task = ending.task
        if task.id not in self.ended:
            self.ended.add(task.id)
            self.waiting[task.kind] -= _passes(task)
        known = self.running.pop(task.id, None)
        if known is not None:
            self.spent[task.kind] += now - known.began
            self.done[task.kind] += _passes(task)

    def seconds(self, now: float) -> float | None:
        """Time left at the speed so far; unknown at first."""
        spent, done, waiting = dict(self.spent), dict(self.done), dict(self.waiting)
        for known in self.running.values():
            waiting[known.task.kind] -= known.share * _passes(known.task)
            if known.share > _ENOUGH and (self.ended or now - known.began >= _WARM):
                spent[known.task.kind] += now - known.began
                done[known.task.kind] += known.share * _passes(known.task)
        speed: dict[Kind, float] = {kind: spent[kind] / done[kind] for kind in done if done[kind]}
        if not speed:
            return None
        known_at = {"making": 1.0, "judging": _JUDGING, "asking": _ASKING}
        training = next(speed[kind] / known_at[kind] for kind in get_args(Kind) if kind in speed)
        each: dict[Kind, float] = {kind: speed.get(kind, known_at[kind] * training) for kind in get_args(Kind)}
        if len(self.ended) == len(self.tasks):
            return 0.0  # sums of floats need not come back to zero
        remaining = sum(each[kind] * max(passes, 0.0) for kind, passes in waiting.items())
        return remaining / max(len(self.running), 1)


@dataclass
class _Running:
    task: Task
    began: float
    share: float = 0.0


def _passes(task: Task) -> float:
    return task.passes + _ALWAYS
