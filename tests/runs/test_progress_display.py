from __future__ import annotations

import re
from dataclasses import replace

import pytest
import yaml
from rich.console import Console

from brinell.core import duration
from brinell.runs import ProgressDisplay
from brinell.store import RunStore
from brinell.study import AttackTask, RunStarted, Study, TaskProgress, TaskResult, TimeRemaining, missing, plan, tasks
from study.conftest import TINY


@pytest.fixture(scope="module")
def everything():
    planned = plan(Study.parse(yaml.safe_load(TINY)))
    return planned, tasks(planned, training_examples=1297)


def test_nothing_is_known_at_first(everything):
    assert TimeRemaining(everything[1]).seconds(10.0) is None


def test_half_of_a_task_takes_as_long_as_the_other_half(everything):
    _, found = everything
    base = found[0]
    left = TimeRemaining([base])
    left.advance(TaskProgress(base, "training", 0, 1), now=100.0)
    assert left.seconds(130.0) is None
    left.advance(TaskProgress(base, "training", 0.5, 1), now=130.0)
    assert left.seconds(130.0) == pytest.approx(30.0)
    left.advance(TaskProgress(base, "another stage", 0.1, 1), now=131.0)
    assert left.seconds(130.0) == pytest.approx(30.0)
    left.end(TaskResult(base, "done"), now=160.0)
    assert left.seconds(160.0) == 0.0


def test_each_kind_of_work_has_its_own_speed(everything):
    """Training slow and attacks fast: what is left are attacks, and they are not taken for trainings."""
    _, found = everything
    base, pruned = found[0], found[1]
    attacks = [task for task in found if isinstance(task, AttackTask) and task.trial.kind == "pgd"]
    left = TimeRemaining([base, pruned, *attacks])
    now = 0.0
    for task, seconds in ((base, 100.0), (pruned, 100.0), (attacks[0], 1.0)):
        left.advance(TaskProgress(task, "", 0, 1), now)
        now += seconds
        left.end(TaskResult(task, "done"), now)
    assert left.seconds(now) == pytest.approx(len(attacks) - 1, rel=0.1)


def test_what_never_began_counts_for_nothing(everything):
    _, found = everything
    left = TimeRemaining(found)
    for task in found:
        left.end(TaskResult(task, "blocked"), now=1.0)
    assert left.seconds(1.0) is None


@pytest.mark.parametrize(("seconds", "said"), [(0.4, "0 s"), (89, "89 s"), (120, "2 min"), (7200, "2.0 h")])
def test_durations_are_said_as_people_say_them(seconds, said):
    assert duration(seconds) == said


@pytest.mark.parametrize("terminal", [True, False])
def test_the_display_shows_any_course_of_events(everything, terminal, tmp_path):
    planned, found = everything
    with (tmp_path / "out").open("w") as file:
        console = Console(file=file, force_terminal=terminal, width=120)
        with ProgressDisplay(console) as display:
            display(RunStarted(tmp_path, planned, len(found), missing(found, RunStore(tmp_path), 10)))
            for task in found[:4]:
                display(TaskProgress(task, "working", 1, 0))
                display(TaskProgress(task, "working", 1, 2))
            display(TaskResult(found[0], "done"))
            display(TaskResult(found[1], "failed", "[no] markup"))
            display(TaskResult(found[2], "blocked", "pruned: [no] markup"))
            display(TaskResult(found[3], "unsupported", "never"))
    text = re.sub(r"\x1b\[[?\d;]*[a-zA-Z]", "", (tmp_path / "out").read_text())
    assert "failed: pruned: [no] markup" in text
    assert "unsupported: " in text
    assert "blocked" not in text


def test_attacks_through_every_surrogate_count_as_many_passes():
    """Whatever network the study attacks last: the estimate of a binary one's attacks is its own."""
    tiny = yaml.safe_load(TINY)
    tiny["variants"]["binary"] = {"from": "base", "compress": {"kind": "xnor_net", "train": {"epochs": 1}}}
    for order in (["binary", "base"], ["base", "binary"]):
        tiny["attacks"]["pgd"]["variants"] = order
        every = tasks(plan(Study.parse(tiny)), training_examples=1297)
        passes = {t.variant.name: t.passes for t in every if isinstance(t, AttackTask) and t.trial.kind == "pgd"}
        assert passes["binary"] > 5 * passes["base"]


def test_the_first_batches_say_nothing_yet(everything):
    base = everything[1][0]
    left = TimeRemaining(everything[1])
    left.advance(TaskProgress(base, "training", 0, 1), now=0.0)
    left.advance(TaskProgress(base, "training", 0.1, 1), now=0.5)
    assert left.seconds(0.5) is None
    assert left.seconds(2.5) is not None


def test_loading_weights_and_predicting_say_nothing_about_passes(everything):
    """Five seconds to write a file that nothing was trained for, a second for each prediction, then an attack."""
    base = replace(everything[1][0], passes=0.0)
    clean = [task for task in everything[1] if isinstance(task, AttackTask) and task.trial.kind == "clean"]
    attacks = [task for task in everything[1] if isinstance(task, AttackTask) and task.trial.kind == "pgd"]
    left, now = TimeRemaining([base, *clean, *attacks]), 0.0
    for task, seconds in ((base, 5.0), *((task, 1.0) for task in clean)):
        left.advance(TaskProgress(task, "", 0, 1), now)
        now += seconds
        left.end(TaskResult(task, "done"), now)
        assert left.seconds(now) is None
    left.advance(TaskProgress(attacks[0], "", 0, 1), now)
    left.end(TaskResult(attacks[0], "done"), now + 11.0)  # one second besides its passes, as a prediction
    assert left.seconds(now + 11.0) == pytest.approx(11.0 * (len(attacks) - 1))
