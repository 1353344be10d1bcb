"""How busy a fleet is: workers of a local Ray cluster of several nodes, tasks that only wait.

    python benchmarks/fleet.py [--nodes 4] [--workers 8] [--tasks 240] [--seconds 2] [--folder FOLDER]

The tasks are those of a plan, and what they do is waiting, so that the machine may have fewer cores than workers, and
writing one block of rows to the run's folder, which all nodes share. Efficiency is the least time that so many workers
can take, tasks x seconds / workers rounded up to whole tasks, over the time from the first task's start to the last
one's end. The time until the first task starts is printed as well: workers import PyTorch, one core for all of them.
"""

from __future__ import annotations

import argparse
import math
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from brinell.core import ROW_SCHEMA, PlannedVariant, Progress
from brinell.store import RunStore, frame_of_schema
from brinell.study import TaskResult
from brinell.study.executors.ray_cluster import Ray
from brinell.study.schedule import execute
from brinell.study.tasks import Task
from brinell.study.worker_context import WorkerContext
from engine import plan_of
from kills import cluster_of


@dataclass(frozen=True)
class WaitingTask(Task):
    """Waits, and writes a block without rows."""

    seconds: float = 2.0

    kind = "judging"

    @property
    def priority(self) -> int:
        return 0

    def missing(self, store: RunStore, classes: int) -> WaitingTask:
        return self

    def run(self, context: WorkerContext, progress: Progress) -> None:
        began = time.time()
        time.sleep(self.seconds)
        context.store.write_rows(
            self.id,
            "0000-1-0000000000",
            frame_of_schema({name: [] for name in ROW_SCHEMA}, ROW_SCHEMA),
            {"began": began},
        )


@dataclass
class FleetContext:
    """What the Ray executor asks of a worker's context."""

    store: RunStore
    recorded: float = 0.0

    def fresh(self) -> FleetContext:
        return self


def measure(tasks: list[WaitingTask], workers: int, folder: Path) -> tuple[float, float, int]:
    """Seconds until the first task began, seconds from then on, and the number of tasks that are done."""
    store, began = RunStore(folder), time.time()
    with Ray(cast(WorkerContext, FleetContext(store)), 1, workers) as executor:
        endings: list[TaskResult] = execute(tasks, executor, lambda event: None, {})
        ended = time.time()
    failures = [ending.message for ending in endings if ending.status != "done"]
    assert not failures, failures[0]
    starts = [store.rows_footer(task.id, "0000-1-0000000000")["began"] for task in tasks]
    return min(starts) - began, ended - min(starts), sum(ending.status == "done" for ending in endings)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=4)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--tasks", type=int, default=240)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    variant: PlannedVariant = plan_of(0).variants[0]
    tasks = [
        WaitingTask(f"{number:020x}", f"waiting {number}", variant, (), 1.0, seconds=arguments.seconds)
        for number in range(arguments.tasks)
    ]
    with tempfile.TemporaryDirectory() as temporary, cluster_of("ray", arguments.nodes, arguments.workers) as cluster:
        os.environ["RAY_ADDRESS"] = cluster.address
        start, seconds, done = measure(tasks, arguments.workers, arguments.folder or Path(temporary) / "run")
    least = math.ceil(len(tasks) / arguments.workers) * arguments.seconds
    print(
        f"{arguments.workers} workers on {arguments.nodes} nodes, {len(tasks)} tasks of {arguments.seconds:g} s: "
        f"{done} done in {seconds:.1f} s after {start:.1f} s of starting; at least {least:.1f} s: "
        f"efficiency {least / seconds:.1%}"
    )


if __name__ == "__main__":
    main()
