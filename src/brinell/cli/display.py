"""Live progress: what is done, what is running and how far, and the time that is left."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from brinell.study import Advance, Ending, Event, Planned, Task

_LINE_EVERY = 30.0
"""Seconds between two lines about a long task where there is no terminal."""


@dataclass
class Left:
    """Estimates the time left from the passes that are done; pure arithmetic, `now` in seconds."""

    tasks: dict[str, Task]
    began: float
    done: float = 0.0
    ended: int = 0
    running: dict[str, float] = field(default_factory=dict)
    """Share done of every task at work."""

    @property
    def total(self) -> float:
        """All passes; a task that has none (a checkpoint that is only loaded) still counts a little."""
        return sum(_weight(task) for task in self.tasks.values())

    def advance(self, event: Advance) -> None:
        """A task is so far; it never goes back, even where it has several stages."""
        share = min(event.done / event.total, 1.0) if event.total else 0.0
        self.running[event.task.id] = max(share, self.running.get(event.task.id, 0.0))

    def end(self, ending: Ending) -> None:
        """A task is over, however it ended."""
        self.running.pop(ending.task.id, None)
        self.done += _weight(ending.task)
        self.ended += 1

    def share(self) -> float:
        """What is done of everything."""
        under_way = sum(_weight(self.tasks[name]) * share for name, share in self.running.items())
        return min((self.done + under_way) / max(self.total, 1.0), 1.0)

    def seconds(self, now: float) -> float | None:
        """Time left; unknown at first."""
        share = self.share()
        return None if share < 0.01 else (now - self.began) * (1 - share) / share


def _weight(task: Task) -> float:
    return task.passes + 100.0


class Display:
    """An observer of `brinell.study.run`: bars on a terminal, plain lines elsewhere."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.begun = False
        self.bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[note]}", markup=False),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self.lines: dict[str, TaskID] = {}
        self.last_line = 0.0
        self.left = Left({}, 0.0)

    def __enter__(self) -> Self:
        self.bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bars.stop()

    def __call__(self, event: Event) -> None:
        """Show one event."""
        if isinstance(event, Planned):
            self._plan(event)
        elif isinstance(event, Advance):
            self._advance(event)
        else:
            self._end(event)

    def _plan(self, event: Planned) -> None:
        self.begun = True
        self.last_line = time.monotonic()
        self.left = Left({task.id: task for task in event.left}, self.last_line)
        text = f"{event.plan.name}: {len(event.plan.variants)} variants, {len(event.plan.trials)} trials"
        done = event.everything - len(event.left)
        kept = f", {done} of {event.everything} tasks are done already" if done else ""
        self.console.print(f"{text} in {event.root}{kept}", markup=False, soft_wrap=True)
        self.whole = self.bars.add_task(event.plan.name, total=1.0, note="")

    def _advance(self, event: Advance) -> None:
        self.left.advance(event)
        name, note = event.task.label, f"{event.label} {event.done / max(event.total, 1e-9):.0%}"
        if event.task.id not in self.lines:
            self.lines[event.task.id] = self.bars.add_task(name, total=1.0, note=note)
        self.bars.update(self.lines[event.task.id], completed=event.done / max(event.total, 1e-9), note=note)
        self._refresh()
        if not self.console.is_terminal and time.monotonic() - self.last_line > _LINE_EVERY:
            self._line(f"{name}: {note}")

    def _end(self, ending: Ending) -> None:
        self.left.end(ending)
        if (line := self.lines.pop(ending.task.id, None)) is not None:
            self.bars.remove_task(line)
        self._refresh()
        if ending.status != "done":
            self.console.print(f"{ending.status}: {ending.task.label}: {ending.message}", markup=False, soft_wrap=True)
        elif not self.console.is_terminal:
            self._line(ending.task.label)

    def _refresh(self) -> None:
        self.bars.update(self.whole, completed=self.left.share(), note=self._note())

    def _line(self, text: str) -> None:
        self.last_line = time.monotonic()
        self.console.print(f"[{self._note()}] {text}", markup=False, soft_wrap=True)

    def _note(self) -> str:
        seconds = self.left.seconds(time.monotonic())
        return (
            f"{self.left.ended}/{len(self.left.tasks)} done, {'' if seconds is None else duration(seconds) + ' left'}"
        )


def duration(seconds: float) -> str:
    """So long, as a person would say it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"
