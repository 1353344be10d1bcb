"""Doing one task, and saying how it ended."""

from __future__ import annotations

import errno
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress

from brinell.core import BrinellError, Progress, StoreError, UnsupportedError
from brinell.store import Failure, Running
from brinell.study.judging import BlockedError, judge
from brinell.study.making import make
from brinell.study.probing import ask
from brinell.study.tasks import Task, TaskResult
from brinell.study.worker_context import WorkerContext

_TOLD_EVERY = 0.2
"""Seconds between two words to whoever watches."""
_SAID_EVERY = 1.0
"""Seconds between two words to `brinell status`, which reads them from the run's folder."""
_FATAL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.EFBIG}
"""What the next task would meet as well: the disk is full, or may not be written."""


def run_task(context: WorkerContext, task: Task, tell: Progress) -> TaskResult:
    """Do `task`, leave its results in the store, and say how it ended; a failure is kept with its traceback.

    Raises:
        StoreError: the run's folder can no longer be written; going on would be no use.
    """
    for name in task.records:
        context.store.clear_failure(name)
    try:
        _doing(task)(context, task, _spoken(context, task, tell))
    except BlockedError as error:
        return TaskResult(task, "blocked", str(error))
    except Exception as error:
        if _fatal(error):
            raise
        unsupported = isinstance(error, UnsupportedError)
        message = str(error) if isinstance(error, BrinellError) else f"{type(error).__name__}: {error}"
        for name in _unfinished(context, task):
            context.store.write_failure(Failure(name, task.label, message, traceback.format_exc(), unsupported))
        return TaskResult(task, "unsupported" if unsupported else "failed", message)
    finally:
        context.store.clear_running(task.id)
    return TaskResult(task, "done")


def _unfinished(context: WorkerContext, task: Task) -> Iterator[str]:
    """Of its records, those whose results are still missing."""
    if task.block is None:
        yield task.id
    else:
        for trial, name in zip(task.trials, task.records, strict=True):
            if not context.store.has_rows(trial.key, task.block.name):
                yield name


def _doing(task: Task) -> Callable[[WorkerContext, Task, Progress], None]:
    return {"making": make, "judging": judge, "asking": ask}[task.kind]


def _fatal(error: BaseException) -> bool:
    return isinstance(error, StoreError) and isinstance(error.__cause__, OSError) and error.__cause__.errno in _FATAL


def _spoken(context: WorkerContext, task: Task, tell: Progress) -> Progress:
    """`tell`, which also leaves word for `brinell status`, both at most so often."""
    began = time.time()
    told = said = 0.0

    def progress(label: str, done: float, total: float) -> None:
        nonlocal told, said
        now = time.time()
        if now - told >= _TOLD_EVERY:
            told = now
            tell(label, done, total)
        if now - said >= _SAID_EVERY:
            said = now
            with suppress(OSError):  # a word that is lost costs nothing
                context.store.write_running(Running(task.id, f"{task.label} · {label}", done, total, began, now))

    progress("starting", 0, 1)
    return progress
