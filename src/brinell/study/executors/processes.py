"""Tasks on several processes of this machine, each with its own copy of the context."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Final, Self

import torch

from brinell.core import StoreError
from brinell.store import Failure, RunStore
from brinell.study.executors.executor import TaskProgress, Tell
from brinell.study.executors.lost_tasks import LostTasks
from brinell.study.executors.run_task import run_task
from brinell.study.executors.task_queue import TaskQueue
from brinell.study.tasks import Task, TaskResult
from brinell.study.worker_context import WorkerContext

_READY: Final = "ready"
_NO_START: Final = (
    "worker processes could not start; a script that runs a study on several processes must do so under "
    "`if __name__ == '__main__':`"
)
_PATIENCE = 2.0
"""Seconds a worker has to stop when asked to, before it is killed."""


@dataclass(frozen=True)
class _Fatal:
    """The worker's last words when the run's folder can no longer be written."""

    message: str


@dataclass(eq=False)
class _Worker:
    process: SpawnProcess
    connection: Connection
    place: int
    started: bool = False
    task: Task | None = None
    variant: str = ""
    """Key of the variant it worked on last, and so still holds."""


class Processes:
    """Up to `workers` processes with `threads` cores each, dealt out to the GPUs there are.

    They end with this one, however it ends.
    """

    def __init__(self, context: WorkerContext, threads: int, workers: int) -> None:
        self.context, self.threads, self.limit = context.fresh(), threads, workers
        self.places = range(workers)
        self.queue = TaskQueue()
        self.lost = LostTasks()
        self.workers: list[_Worker] = []

    def submit(self, task: Task) -> None:
        """Add it to the queue."""
        self.queue.push(task)

    def wait(self, tell: Tell) -> list[TaskResult]:
        """Keep every worker busy until a task has ended."""
        endings: list[TaskResult] = []
        while not endings:
            self._hand_out()
            busy = [worker for worker in self.workers if worker.task is not None]
            ready = wait([source for worker in busy for source in (worker.connection, worker.process.sentinel)])
            for worker in busy:
                if worker.connection in ready or worker.process.sentinel in ready:
                    endings += self._hear(worker, tell)
        return endings

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers:
            worker.process.terminate()
        for worker in self.workers:
            worker.process.join(_PATIENCE)
            worker.process.kill()
            worker.process.join()
            worker.connection.close()
        self.workers.clear()

    def _hand_out(self) -> None:
        for worker in [worker for worker in self.workers if worker.task is None and not worker.process.is_alive()]:
            self._remove(worker)  # it died with nothing to do
        while self.queue or self.lost:
            free = [worker for worker in self.workers if worker.task is None]
            if not free and len(self.workers) >= self.limit:
                return
            given = [self._give(worker) for worker in free or [self._start()]]
            if not any(given):
                return

    def _give(self, worker: _Worker) -> bool:
        """Send a task to a free worker, if there is any for it."""
        others = len(self.workers) < self.limit or any(other is not worker for other in self.workers)
        task = self.lost.pop(self.queue, worker.variant, worker.place, only_worker=not others or not self._busy())
        if task is None:
            return False
        worker.task, worker.variant = task, task.variant.key
        with suppress(OSError):  # it died this moment, and is heard of next
            worker.connection.send(task)
        return True

    def _busy(self) -> bool:
        return any(worker.task is not None for worker in self.workers)

    def _start(self) -> _Worker:
        # Spawned: a forked child would inherit thread pools whose threads it does not have.
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        place = self.lost.free_place({worker.place for worker in self.workers}, self.places)
        process = context.Process(target=_work, args=(self.context, self.threads, place, theirs), daemon=True)
        process.start()
        theirs.close()
        worker = _Worker(process, ours, place)
        self.workers.append(worker)
        return worker

    def _hear(self, worker: _Worker, tell: Tell) -> list[TaskResult]:
        """Everything the worker has to say; at most one task ends by it."""
        try:
            while worker.connection.poll():
                said = worker.connection.recv()
                if isinstance(said, _Fatal):
                    raise StoreError(said.message)
                if isinstance(said, TaskProgress):
                    tell(said)
                elif isinstance(said, TaskResult):
                    worker.task = None
                    return [said]
                worker.started = True
                self.lost.started()
        except (EOFError, ConnectionResetError):
            return self._replace(worker)
        return []

    def _replace(self, worker: _Worker) -> list[TaskResult]:
        """The worker died: its task is tried again, or has failed; the others go to another worker."""
        self._remove(worker)
        task = worker.task
        if task is None:
            return []
        if not worker.started:
            self.queue.push(task)
            self.limit = self.lost.failed_start(len(self.workers), _NO_START) or self.limit
            return []
        code = worker.process.exitcode or 0
        cause = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
        self.context.store.clear_running(task.id)
        if self.lost.retry(task, worker.place):
            return []
        return [
            worker_lost_result(self.context.store, task, f"the worker process died ({cause})", self.lost.deaths(task))
        ]

    def _remove(self, worker: _Worker) -> None:
        worker.process.join()
        worker.connection.close()
        self.workers.remove(worker)


def worker_lost_result(store: RunStore, task: Task, cause: str, deaths: int) -> TaskResult:
    """The end of a task over which `deaths` workers died; its failure is kept, for the next run to try again."""
    message = f"{cause}, as did those of {deaths - 1} tries before; was there enough memory for so many workers?"
    store.clear_running(task.id)
    for name in task.records:
        store.write_failure(Failure(name, task.label, message, traceback=message, unsupported=False))
    return TaskResult(task, "failed", message)


def _work(context: WorkerContext, threads: int, place: int, connection: Connection) -> None:
    """A worker's life."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process; the first one decides
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(threads)
    if torch.cuda.device_count():
        torch.cuda.set_device(place % torch.cuda.device_count())
    connection.send(_READY)
    while True:
        try:
            task: Task = connection.recv()
        except (EOFError, ConnectionResetError):  # the parent was killed
            return

        def tell(label: str, done: float, total: float, task: Task = task) -> None:
            connection.send(TaskProgress(task, label, done, total))

        try:
            ending = run_task(context, task, tell)
        except StoreError as error:
            connection.send(_Fatal(str(error)))
            return
        connection.send(ending)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
