"""One bar for one piece of work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import Progress as Bars

from brinell.cli.display.console import err
from brinell.core import Progress


@contextmanager
def bar() -> Iterator[Progress]:
    """A `Progress` that draws itself on stderr, one bar a label; nothing where that is no terminal."""
    with Bars(console=err, transient=True, disable=not err.is_terminal) as bars:
        tasks = {}

        def progress(label: str, done: float, total: float) -> None:
            if label not in tasks:
                tasks[label] = bars.add_task(label)
            bars.update(tasks[label], completed=done, total=total)

        yield progress
