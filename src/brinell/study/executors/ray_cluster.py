"""Tasks on a Ray cluster, all of whose nodes see the run's folder and the data, or on a Ray of this machine's own."""

from __future__ import annotations

import importlib
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Self

import torch

from brinell.core import ConfigurationError, Progress, StoreError
from brinell.store import RunStore
from brinell.study.executors.executor import TaskProgress, Tell
from brinell.study.executors.lost_tasks import LostTasks
from brinell.study.executors.processes import worker_lost_result
from brinell.study.executors.run_task import run_task
from brinell.study.executors.task_queue import TaskQueue
from brinell.study.tasks import Task, TaskResult
from brinell.study.worker_context import WorkerContext

_PROGRESS_EVERY = 0.5
"""Seconds between two requests of the workers' progress."""
_ENVIRONMENT: Final = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
"""Ray sends no usage statistics, and leaves the GPUs visible to workers that reserve none."""


class _WorkerActor:
    """The Ray actor of one worker: `run` runs a task in one thread while `progress` answers in another."""

    def __init__(self, context: WorkerContext, threads: int, folder: str) -> None:
        os.chdir(folder)  # where the study's relative paths begin
        torch.set_num_threads(threads)
        self.context = context
        self.latest = ("starting", 0.0, 1.0)

    def node(self) -> str:
        """The id of the node that it is on."""
        node: str = importlib.import_module("ray").get_runtime_context().get_node_id()
        return node

    def progress(self) -> tuple[str, float, float]:
        """How far the task is: what is counted, how much of it is done, and of how much."""
        return self.latest

    def run(self, task: Task) -> TaskResult:
        """Run the task."""
        record: Progress = lambda label, done, total: setattr(self, "latest", (label, done, total))  # noqa: E731
        return run_task(self.context, task, record)


@dataclass(eq=False)
class _Worker:
    """A worker in the cluster, as the driver sees it; `pending` is the result of its last call, until it is there."""

    actor: Any
    pending: Any
    started: bool = False
    task: Task | None = None
    variant: str = ""
    node: str = ""


class Ray:
    """Up to `workers` workers with `threads` cores each, and a GPU each where the cluster has any.

    It joins the cluster that `RAY_ADDRESS` or `ray start` names, and otherwise starts one on this machine that ends
    with it. Where the cluster has less room, workers begin as room is made.

    Raises:
        ConfigurationError: Ray is not installed.
    """

    def __init__(self, context: WorkerContext, threads: int, workers: int) -> None:
        store = RunStore(context.store.root.absolute())
        self.context, self.threads, self.limit = replace(context.fresh(), store=store), threads, workers
        self.queue, self.lost = TaskQueue(), LostTasks()
        self.workers: list[_Worker] = []

    def submit(self, task: Task) -> None:
        """Add it to the queue."""
        self.queue.push(task)

    def wait(self, tell: Tell) -> list[TaskResult]:
        """Keep every worker busy until a task has ended."""
        endings: list[TaskResult] = []
        while not endings:
            self._assign_tasks()
            waiting = {worker.pending: worker for worker in self.workers if worker.pending is not None}
            ready, _ = self.ray.wait(list(waiting), timeout=_PROGRESS_EVERY)
            endings = [ending for answer in ready for ending in self._receive(waiting[answer])]
            if not ready:
                self._report_progress(tell)
        return endings

    def __enter__(self) -> Self:
        try:
            ray: Any = importlib.import_module("ray")
        except ImportError as error:
            raise ConfigurationError("executor: 'ray' is not installed; pip install 'brinell[ray]'") from error
        for name, value in _ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        self.ray: Any = ray
        quiet = {"log_to_driver": False, "logging_level": "ERROR"}
        try:
            ray.init(address="auto", **quiet)
        except ConnectionError:
            ray.init(address="local", num_cpus=self.threads * self.limit, include_dashboard=False, **quiet)
        self.actor_class = ray.remote(
            num_cpus=self.threads, num_gpus=1 if ray.cluster_resources().get("GPU") else 0, max_concurrency=2
        )(_WorkerActor)
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers:
            self.ray.kill(worker.actor)
        self.workers.clear()
        self.ray.shutdown()

    def _assign_tasks(self) -> None:
        while len(self.workers) < min(
            self.limit, len(self.queue) + len(self.lost) + sum(1 for each in self.workers if each.task)
        ):
            actor = self.actor_class.remote(self.context, self.threads, str(Path.cwd()))
            self.workers.append(_Worker(actor, actor.node.remote()))
        for worker in self.workers:
            if (self.queue or self.lost) and worker.started and worker.task is None:
                busy = any(other.task is not None for other in self.workers)
                task = self.lost.pop(self.queue, worker.variant, worker.node, only_worker=not busy)
                if task is None:
                    continue
                worker.task, worker.variant = task, task.variant.key
                worker.pending = worker.actor.run.remote(task)

    def _receive(self, worker: _Worker) -> list[TaskResult]:
        """What the worker's last call gave: it has started, its task has ended, or it is lost."""
        errors = self.ray.exceptions
        try:
            answer = self.ray.get(worker.pending)
        except errors.RayTaskError as error:
            if isinstance(error.cause, StoreError):
                raise StoreError(str(error.cause)) from None
            raise
        except (errors.RayActorError, errors.ObjectLostError) as error:  # of a node that died with its worker's answer
            self.workers.remove(worker)
            return self._retry(worker, _first_line(error))
        worker.pending = None
        if not worker.started:
            worker.started, worker.node = True, answer
            self.lost.started()
        if worker.task is None:
            return []
        worker.task = None
        return [answer]

    def _retry(self, worker: _Worker, cause: str) -> list[TaskResult]:
        """The worker is lost: its task is tried again, on another node if there is one, or has failed."""
        task = worker.task
        if task is None:
            if not worker.started:
                message = f"workers could not start ({cause})"
                self.limit = self.lost.failed_start(len(self.workers), message) or self.limit
            return []
        self.context.store.clear_running(task.id)
        if self.lost.retry(task, worker.node):
            return []
        return [worker_lost_result(self.context.store, task, f"the worker is lost ({cause})", self.lost.deaths(task))]

    def _report_progress(self, tell: Tell) -> None:
        """Pass on how far the workers are; one that does not answer in time is asked again later."""
        calls = {worker.actor.progress.remote(): worker.task for worker in self.workers if worker.task is not None}
        answers, _ = self.ray.wait(list(calls), num_returns=len(calls), timeout=_PROGRESS_EVERY) if calls else ([], [])
        for answer in answers:
            task = calls[answer]
            try:
                progress = self.ray.get(answer)
            except (self.ray.exceptions.RayActorError, self.ray.exceptions.ObjectLostError):
                continue
            if task is not None:
                tell(TaskProgress(task, *progress))


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
