"""The order in which tasks start."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brinell.core import Block, PlannedTrial
from brinell.study.executors.task_queue import TaskQueue
from brinell.study.tasks import AttackTask, Task, VariantTask
from study.test_schedule import VARIANT


def task(number: int, priority: int, variant: str) -> Task:
    """A task of one of the three lowest priorities."""
    of = VARIANT.model_copy(update={"key": variant})
    if priority == 0:
        return VariantTask(str(number), "", of, (), 0)
    kind = "clean" if priority == 1 else "pgd"
    trial = PlannedTrial.model_construct(key=str(number), kind=kind, judged_on=variant, crafted_on=variant)
    return AttackTask(
        str(number), "", of, (), 0, trials=(trial,), block=Block(name="0000-1-0000000000", start=0, stop=1)
    )


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from("ab"), st.sampled_from("abc"), st.booleans())))
def test_it_takes_what_a_search_through_all_waiting_tasks_would(events):
    """Brute force: the least (priority, other variant, order of arrival)."""
    queue, waiting = TaskQueue(), []
    for number, (priority, variant, held, take) in enumerate(events):
        added = task(number, priority, variant)
        assert added.priority == priority
        queue.push(added)
        waiting.append(added)
        if take:
            expected = min(waiting, key=lambda task: (task.priority, task.variant.key != held))
            waiting.remove(expected)
            assert queue.pop(held) is expected
        assert len(queue) == len(waiting)
    rest = [queue.pop() for _ in waiting]
    assert rest == sorted(waiting, key=lambda task: task.priority)


def test_an_empty_queue_has_nothing_to_take():
    with pytest.raises(IndexError):
        TaskQueue().pop()


@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=8),
    st.tuples(st.integers(0, 30), st.integers(1, 10)),
)
def test_overlapping_blocks_are_those_with_a_common_example(sizes, wanted):
    start, blocks = 0, []
    for size in sizes:
        blocks.append(Block.model_construct(name=str(start), start=start, stop=start + size))
        start += size
    other = Block.model_construct(name="other", start=wanted[0], stop=sum(wanted))
    trial = PlannedTrial.model_construct(blocks=tuple(blocks))
    examples = set(range(other.start, other.stop))
    expected = [block for block in blocks if examples & set(range(block.start, block.stop))]
    assert list(trial.overlapping(other)) == expected
