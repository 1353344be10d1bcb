"""The time that is left: arithmetic on what is done and how long it took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, get_args

from brinell.study.executors.executor import TaskProgress
from brinell.study.plan import CLEAN
from brinell.study.tasks import AttackTask, Kind, Task, TaskResult

_RELATIVE: Final[dict[Kind, float]] = {"making": 1.0, "judging": 0.6, "asking": 0.8}
"""Time of a pass over that of a training's, until it is measured: attacks and probes have no optimiser."""
_ENOUGH: Final = 0.02
"""Share of a task that must be done before its speed says anything."""
_WARM: Final = 2.0
"""Seconds after which the first task's speed says something: first batches are slow."""
_LEAST: Final = 0.2
"""Share of a task's time that its passes take at least, whatever reading and writing take."""


def _zeros() -> dict[Kind, float]:
    return dict.fromkeys(get_args(Kind), 0.0)


@dataclass
class TimeRemaining:
    """What is known of a run's speed. Times are seconds of one clock, `now` among them.

    Tasks without passes to speak of (weights that are only loaded, predictions without an attack) say nothing about the
    time of a pass: they tell what a task takes besides its passes. Each event and each estimate takes time in
    proportion to the tasks that are running, however many are waiting.
    """

    tasks: Sequence[Task]
    running: dict[str, _Running] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    spent: dict[Kind, float] = field(default_factory=_zeros)
    """Seconds of ended tasks with passes, and `done` their passes."""
    done: dict[Kind, float] = field(default_factory=_zeros)
    counts: dict[Kind, int] = field(default_factory=lambda: dict.fromkeys(get_args(Kind), 0))
    """How many tasks these are."""
    waiting: dict[Kind, float] = field(default_factory=_zeros)
    """Passes of all tasks that have not ended."""
    short: _Short = field(default_factory=lambda: _Short())
    """Tasks without passes to speak of."""

    def __post_init__(self) -> None:
        for task in self.tasks:
            self._wait_for(task, 1)

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
            self._wait_for(task, -1)
        known = self.running.pop(task.id, None)
        if known is None:
            return
        if _is_short(task):
            self.short.add(now - known.began, loaded=not task.passes)
        else:
            self.spent[task.kind] += now - known.began
            self.done[task.kind] += task.passes
            self.counts[task.kind] += 1

    def seconds(self, now: float) -> float | None:
        """Time left at the speed so far; unknown at first."""
        if len(self.ended) == len(self.tasks):
            return 0.0 if any(self.spent.values()) or self.short.spent else None
        spent, done, counts, waiting = dict(self.spent), dict(self.done), dict(self.counts), dict(self.waiting)
        for known in self.running.values():
            kind = known.task.kind
            if _is_short(known.task):
                continue
            waiting[kind] -= known.share * known.task.passes
            if known.share > _ENOUGH and (self.ended or now - known.began >= _WARM):
                spent[kind] += now - known.began
                done[kind] += known.share * known.task.passes
                counts[kind] += 1
        speed = {kind: self._speed(spent[kind], done[kind], counts[kind]) for kind in done if done[kind]}
        if not speed and any(passes > 0 for passes in waiting.values()):
            return None
        training = next((speed[kind] / _RELATIVE[kind] for kind in get_args(Kind) if kind in speed), 0.0)
        each: dict[Kind, float] = {kind: speed.get(kind, _RELATIVE[kind] * training) for kind in get_args(Kind)}
        passes = sum(each[kind] * max(count, 0.0) for kind, count in waiting.items())
        besides = self.short.besides * (len(self.tasks) - len(self.ended) - self.short.waiting)
        return (passes + besides + self.short.left) / max(len(self.running), 1)

    def _speed(self, spent: float, done: float, count: int) -> float:
        """Seconds a pass, without what tasks take besides."""
        return max(spent - count * self.short.besides, _LEAST * spent) / done

    def _wait_for(self, task: Task, count: int) -> None:
        if _is_short(task):
            self.short.waiting += count
        else:
            self.waiting[task.kind] += count * task.passes


@dataclass
class _Short:
    """Tasks without passes to speak of, which have ended, and how many have not."""

    spent: float = 0.0
    done: int = 0
    predicted: float = 0.0
    """Seconds of those that only predict, and `predictions` how many."""
    predictions: int = 0
    waiting: int = 0

    def add(self, seconds: float, *, loaded: bool) -> None:
        self.spent += seconds
        self.done += 1
        if not loaded:
            self.predicted += seconds
            self.predictions += 1

    @property
    def besides(self) -> float:
        """What a task takes besides its passes, in seconds; 0 while it is not known."""
        return self.predicted / self.predictions if self.predictions else 0.0

    @property
    def left(self) -> float:
        return self.waiting * self.spent / self.done if self.done else 0.0


@dataclass
class _Running:
    task: Task
    began: float
    share: float = 0.0


def _is_short(task: Task) -> bool:
    return not task.passes or (isinstance(task, AttackTask) and task.trial.kind == CLEAN)
