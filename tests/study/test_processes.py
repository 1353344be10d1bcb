"""Several processes: rows equal to those of one, workers that die, and a parent that does."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from brinell.store import RunStore
from brinell.study import Study, TaskProgress, run
from study.conftest import TINY
from study.test_run import assert_equal_rows

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def serial(tmp_path_factory) -> Path:
    """The rows of the serial executor."""
    root = tmp_path_factory.mktemp("serial") / "run"
    run(Study.parse(yaml.safe_load(TINY)), out=root, threads=1)
    return root


def test_a_worker_that_dies_costs_its_task_only_and_the_next_run_mends_it(serial, tiny_study, tmp_path):
    """The only worker is killed in the baseline's training: nothing else can be done, and all is said."""
    killed = []

    def kill(event):
        if isinstance(event, TaskProgress) and not killed:
            (worker,) = multiprocessing.active_children()
            os.kill(worker.pid, signal.SIGKILL)
            killed.append(event.task)

    options = {"out": tmp_path / "run", "executor": "processes", "threads": 1}
    first = run(tiny_study, observe=kill, workers=1, **options)
    (failed,) = first.ended("failed")
    assert failed.task == killed[0]
    assert "the worker process died (signal SIGKILL)" in failed.message
    assert len(first.ended("blocked")) == len(first.endings) - 1 == 13
    store = RunStore.open(tmp_path / "run")
    assert store.failures().keys() == {failed.task.id}
    assert store.running() == {}
    second = run(tiny_study, workers=2, **options)
    assert len(second.ended("done")) == len(second.endings) == 14
    assert_equal_rows(serial, tmp_path / "run")
    assert multiprocessing.active_children() == []


def test_workers_end_with_a_parent_that_is_killed(serial, tiny_study, tmp_path):
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
