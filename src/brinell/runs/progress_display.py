"""Live progress: what is done, what is running and how far, and the time that is left."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from brinell.core import duration
from brinell.study import Event, RunStarted, TaskProgress, TaskResult, TimeRemaining

_LINE_EVERY = 30.0
"""Seconds between two lines about a long task where there is no terminal."""

_DAMAGED_SHOWN = 20
"""Damaged files that are named one by one."""


class ProgressDisplay:
    """Shows the events of a run: bars on a terminal, plain lines elsewhere. An observer of `brinell.study.run`."""

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
        self.whole = self.bars.add_task("planning", total=None, note="")
        self.lines: dict[str, TaskID] = {}
        self.last_line = time.monotonic()
        self.began = time.monotonic()
        self.left = TimeRemaining(())

    def __enter__(self) -> Self:
        self.bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bars.stop()

    def __call__(self, event: Event) -> None:
        """Show one event."""
        if isinstance(event, RunStarted):
            self._plan(event)
        elif isinstance(event, TaskProgress):
            self._advance(event)
        else:
            self._end(event)

    def _plan(self, event: RunStarted) -> None:
        self.begun = True
        self.began = time.monotonic()
        self.left = TimeRemaining(event.left)
        done = event.everything - len(event.left)
        kept = f"; {done} of {event.everything} tasks are done already" if done else f"; {event.everything} tasks"
        self._print(
            f"{event.plan.name}: {len(event.plan.variants)} variants, {len(event.plan.trials)} trials in "
            f"{event.root}{kept}"
        )
        for remark in event.remarks:
            self._print(f"note: {remark}")
        for place in event.damaged[:_DAMAGED_SHOWN]:
            self._print(f"damaged, or a copy of another file, and made again: {place}")
        if (more := len(event.damaged) - _DAMAGED_SHOWN) > 0:
            self._print(f"and {more:,} more damaged files")
        self.bars.update(self.whole, description=event.plan.name)

    def _advance(self, event: TaskProgress) -> None:
        self.left.advance(event, time.monotonic())
        share = event.done / event.total if event.total else 0.0
        note = f"{event.label} {share:.0%}"
        if event.task.id not in self.lines:
            self.lines[event.task.id] = self.bars.add_task(event.task.label, total=1.0, note=note)
        self.bars.update(self.lines[event.task.id], completed=share, note=note)
        self._refresh()
        if not self.console.is_terminal and time.monotonic() - self.last_line > _LINE_EVERY:
            self._line(f"{event.task.label}: {note}")

    def _end(self, ending: TaskResult) -> None:
        self.left.end(ending, time.monotonic())
        if (line := self.lines.pop(ending.task.id, None)) is not None:
            self.bars.remove_task(line)
        self._refresh()
        if ending.status in ("failed", "unsupported"):
            self._print(f"{ending.status}: {ending.task.label}: {ending.message}")
        elif ending.status == "done" and not self.console.is_terminal:
            self._line(ending.task.label)

    def _refresh(self) -> None:
        left, elapsed = self.left.seconds(time.monotonic()), time.monotonic() - self.began
        self.bars.update(
            self.whole,
            total=None if left is None else elapsed + left,
            completed=elapsed,
            note=self._note(left),
        )

    def _line(self, text: str) -> None:
        self.last_line = time.monotonic()
        self._print(f"[{self._note(self.left.seconds(self.last_line))}] {text}")

    def _note(self, left: float | None) -> str:
        done = f"{len(self.left.ended)}/{len(self.left.tasks)} tasks"
        return done if left is None else f"{done}, {duration(left)} left"

    def _print(self, text: str) -> None:
        self.console.print(text, markup=False, soft_wrap=True)
