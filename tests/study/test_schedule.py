from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brinell.core import PlannedVariant
from brinell.study.schedule import execute, without_failed
from brinell.study.tasks import TaskResult, VariantTask

VARIANT = PlannedVariant(
    name="v", key="0" * 20, seed=0, parent=None, baseline="0" * 20, family="model", architecture="resnet8", settings={}
)


def task(name, *after):
    return VariantTask(id=name, label=f"<{name}>", variant=VARIANT, after=after, passes=0)


class Scripted:
    """An executor that ends each task as told, last come first served, and keeps the order."""

    def __init__(self, statuses=None):
        self.statuses = statuses or {}
        self.queue = []
        self.began = []

    def submit(self, task):
        self.began.append(task.id)
        self.queue.append(task)

    def wait(self, tell):
        task = self.queue.pop()
        return [TaskResult(task, self.statuses.get(task.id, "done"), "because")]


def statuses(endings):
    return {ending.task.id: ending.status for ending in endings}


DIAMOND = [task("a"), task("b", "a"), task("c", "a"), task("d", "b", "c"), task("alone")]


def test_every_task_waits_for_its_parents():
    executor, seen = Scripted(), []
    endings = execute(DIAMOND, executor, seen.append, {})
    assert statuses(endings) == dict.fromkeys("abcd", "done") | {"alone": "done"}
    assert sorted(executor.began) == sorted(task.id for task in DIAMOND)
    assert executor.began.index("d") > max(executor.began.index("b"), executor.began.index("c"))
    assert seen == endings


@pytest.mark.parametrize(("status", "inherited"), [("failed", "blocked"), ("unsupported", "unsupported")])
def test_what_waits_for_a_task_that_ended_badly_ends_with_it(status, inherited):
    executor = Scripted({"b": status})
    endings = execute(DIAMOND, executor, lambda event: None, {})
    assert statuses(endings) == {"a": "done", "b": status, "c": "done", "d": inherited, "alone": "done"}
    assert "d" not in executor.began
    message = next(ending.message for ending in endings if ending.task.id == "d")
    assert message == "<b>: because"


def test_a_task_that_waits_for_two_that_fail_ends_once():
    endings = execute(DIAMOND, Scripted({"b": "failed", "c": "failed"}), lambda event: None, {})
    assert [ending.task.id for ending in endings].count("d") == 1


def test_what_was_found_unsupported_is_not_tried_again():
    executor = Scripted()
    endings = execute(DIAMOND, executor, lambda event: None, {"a": "no gradient"})
    assert executor.began == ["alone"]
    assert statuses(endings) == dict.fromkeys("abcd", "unsupported") | {"alone": "done"}


@given(st.data())
def test_any_graph_ends_whole(data):
    """Every task ends once; one is done only if all it needs are; the bad ones are those downstream of a failure."""
    count = data.draw(st.integers(1, 12))
    names = [str(number) for number in range(count)]
    parents = [data.draw(st.sets(st.sampled_from(names[:index]) if index else st.nothing())) for index in range(count)]
    failing = data.draw(st.sets(st.sampled_from(names)))
    tasks = [task(name, *sorted(after)) for name, after in zip(names, parents, strict=True)]
    executor = Scripted(dict.fromkeys(failing, "failed"))
    endings = execute(data.draw(st.permutations(tasks)), executor, lambda event: None, {})
    assert sorted(ending.task.id for ending in endings) == sorted(names)
    found = statuses(endings)
    for name, after in zip(names, parents, strict=True):
        whole = all(found[parent] == "done" for parent in after)
        expected = "blocked" if not whole else ("failed" if name in failing else "done")
        assert found[name] == expected


def test_what_failed_in_an_earlier_round_is_left_out_with_all_that_waits_for_it():
    endings = {"b": TaskResult(DIAMOND[1], "failed", "because"), "alone": TaskResult(DIAMOND[4], "done", "")}
    later = [*DIAMOND, task("e", "d")]
    assert [left.id for left in without_failed(later, endings)] == ["a", "c", "alone"]
    assert without_failed(later, {}) == tuple(later)
