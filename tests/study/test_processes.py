"""Several processes: rows equal to those of one, workers that die, and a parent that does."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from brinell.store import RunStore
from brinell.study import Study, TaskProgress, run
from brinell.study.runner import Event
from brinell.study.tasks import Task
from study.conftest import TINY
from study.test_run import assert_equal_rows

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def serial(tmp_path_factory) -> Path:
    """The rows of the serial executor."""
    root = tmp_path_factory.mktemp("serial") / "run"
    run(Study.parse(yaml.safe_load(TINY)), out=root, threads=1)
    return root


def kill_the_only_worker(times: int) -> tuple[Callable[[Event], None], list[Task]]:
    """An observer that kills the worker as soon as it says how far it is, so many times; and the tasks it was at."""
    killed: list[Task] = []

    def observe(event: Event) -> None:
        children = multiprocessing.active_children()
        if isinstance(event, TaskProgress) and len(killed) < times and children and children[0].pid not in seen:
            seen.add(children[0].pid)
            os.kill(children[0].pid, signal.SIGKILL)
            killed.append(event.task)

    seen: set[int | None] = set()
    return observe, killed


@pytest.mark.usefixtures("forked_workers")
def test_a_task_whose_worker_dies_is_tried_again_three_times(serial, tiny_study, tmp_path):
    observe, killed = kill_the_only_worker(3)
    options = {"out": tmp_path / "run", "executor": "processes", "workers": 1, "threads": 1}
    done = run(tiny_study, observe=observe, **options)
    assert len(killed) == 3
    assert {ending.status for ending in done.endings} == {"done"}
    assert_equal_rows(serial, tmp_path / "run")


@pytest.mark.usefixtures("forked_workers")
def test_a_worker_that_dies_four_times_costs_its_task_and_the_next_run_mends_it(serial, tiny_study, tmp_path):
    """The only worker is killed in the baseline's training: nothing else can be done, and all is said."""
    observe, killed = kill_the_only_worker(4)
    options = {"out": tmp_path / "run", "executor": "processes", "workers": 1, "threads": 1}
    first = run(tiny_study, observe=observe, **options)
    (failed,) = first.ended("failed")
    assert killed == [failed.task] * 4
    assert failed.message.startswith("the worker process died (signal SIGKILL), as did those of 3 tries before")
    assert len(first.ended("blocked")) == len(first.endings) - 1 == 13
    store = RunStore.open(tmp_path / "run")
    assert store.failures().keys() == {failed.task.id}
    assert store.running() == {}
    second = run(tiny_study, **{**options, "workers": 2})
    assert len(second.ended("done")) == len(second.endings) == 14
    assert_equal_rows(serial, tmp_path / "run")
    assert multiprocessing.active_children() == []


def test_workers_end_with_a_parent_that_is_killed(serial, tiny_study, tmp_path):
    """These are spawned, as everywhere but in tests."""
    study = tmp_path / "tiny.yaml"
    study.write_text(TINY)
    script = tmp_path / "script.py"
    script.write_text(
        "from brinell.study import run\n"
        "if __name__ == '__main__':\n"
        f"    run({str(study)!r}, out={str(tmp_path / 'run')!r}, executor='processes', workers=2, threads=1)\n"
    )
    parent = subprocess.Popen([sys.executable, script])
    try:
        wait_for(lambda: list((tmp_path / "run" / "trials").glob("*/[!.]*.parquet")))
        workers = children(parent.pid)
        assert workers
    finally:
        parent.kill()
        parent.wait()
    wait_for(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers))
    run(tiny_study, out=tmp_path / "run", threads=1)
    assert_equal_rows(serial, tmp_path / "run")


def wait_for(condition, seconds=600):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.02)


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
