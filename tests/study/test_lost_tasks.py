"""Tasks whose worker died: which one a free worker takes, and when it was often enough."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from brinell.core import ConfigurationError
from brinell.study.executors.lost_tasks import LostTasks
from brinell.study.executors.task_queue import TaskQueue


def task(name: str) -> Any:
    return SimpleNamespace(id=name, priority=0, variant=SimpleNamespace(key=name))


def test_it_is_tried_again_three_times() -> None:
    lost, one = LostTasks(), task("one")
    assert [lost.retry(one, place) for place in range(4)] == [True, True, True, False]
    assert lost.deaths(one) == 4


def test_elsewhere_comes_first() -> None:
    lost, queue, one, two = LostTasks(), TaskQueue(), task("one"), task("two")
    queue.push(two)
    assert lost.retry(one, "here")
    assert lost.pop(queue, "", "here", only_worker=False) is two, "what died here waits while there is something else"
    assert lost.pop(queue, "", "here", only_worker=False) is None, "and while another place may come free"
    assert lost.pop(queue, "", "there", only_worker=False) is one
    assert lost.retry(one, "there")
    assert lost.pop(queue, "", "here", only_worker=True) is one, "where there is no other place, it is tried here"


def test_a_worker_starts_where_none_has_died() -> None:
    lost = LostTasks()
    assert lost.free_place({0}, range(3)) == 1
    lost.retry(task("one"), 1)
    assert lost.free_place({0}, range(3)) == 2
    assert lost.free_place({0, 2}, range(3)) == 1


def test_workers_that_cannot_start_end_a_run_only_where_none_can() -> None:
    lost = LostTasks()
    assert [lost.failed_start(2, "cause") for _ in range(4)] == [None, None, None, 2]
    lost.started()
    assert [lost.failed_start(0, "cause") for _ in range(3)] == [None] * 3
    with pytest.raises(ConfigurationError, match="executor: cause"):
        lost.failed_start(0, "cause")
