"""Run one task, and return how it ended."""

from __future__ import annotations

import errno
import time
import traceback
from contextlib import suppress

from brinell.core import BrinellError, Progress, StoreError, UnsupportedError
from brinell.store import Failure, Running
from brinell.study.tasks import BlockedError, Task, TaskResult
from brinell.study.worker_context import WorkerContext

_REPORT_EVERY = 0.2
"""Seconds between two reports of progress to the executor."""
_RECORD_EVERY = 1.0
"""Seconds between two records of progress in the run's folder, where `brinell status` reads them."""
_RECORD_START_EVERY = 0.2
"""Seconds between two records of starts: thousands of short tasks leave no more than a few of them."""
_FATAL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.EFBIG}
"""Errors that the next task would meet as well: the disk is full, or may not be written."""


def run_task(context: WorkerContext, task: Task, tell: Progress) -> TaskResult:
    """Run `task`, which writes its results to the store, and return how it ended; a failure is kept with its traceback.

    Raises:
        StoreError: the run's folder can no longer be written; going on would be no use.
    """
    for name in task.records:
        context.store.clear_failure(name)
    try:
        task.run(context, _throttled(context, task, tell))
    except BlockedError as error:
        return TaskResult(task, "blocked", str(error))
    except Exception as error:
        if _fatal(error):
            raise
        unsupported = isinstance(error, UnsupportedError)
        message = str(error) if isinstance(error, BrinellError) else f"{type(error).__name__}: {error}"
        for name in task.unfinished(context.store):
            context.store.write_failure(Failure(name, task.label, message, traceback.format_exc(), unsupported))
        return TaskResult(task, "unsupported" if unsupported else "failed", message)
    finally:
        context.store.clear_running(task.id)
    return TaskResult(task, "done")


def _fatal(error: BaseException) -> bool:
    return isinstance(error, StoreError) and isinstance(error.__cause__, OSError) and error.__cause__.errno in _FATAL


def _throttled(context: WorkerContext, task: Task, tell: Progress) -> Progress:
    """`tell`, which also records progress for `brinell status`; both are called at most so often."""
    began = time.time()
    reported = 0.0
    due = context.recorded + _RECORD_START_EVERY

    def progress(label: str, done: float, total: float) -> None:
        nonlocal reported, due
        now = time.time()
        if now - reported >= _REPORT_EVERY:
            reported = now
            tell(label, done, total)
        if now >= due:
            context.recorded, due = now, now + _RECORD_EVERY
            with suppress(OSError):  # a record that is lost costs nothing
                context.store.write_running(Running(task.id, f"{task.label} · {label}", done, total, began, now))

    progress("starting", 0, 1)
    return progress
