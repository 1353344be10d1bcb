"""A run folder that commit 2e73ed1 wrote: its keys are still made, nothing of it is computed again, and it reports.

`tests/fixtures/run-0` is what `brinell run study.yaml --threads 1` left there, without `report/` and `scratch/`.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from brinell.analysis import load
from brinell.core import Spec, StudyPlan
from brinell.reporting import write
from brinell.store import RunStore
from brinell.study import RunStarted, Study, plan, run
from study.test_run import stamps

FOLDER = Path(__file__).parents[1] / "fixtures" / "run-0"


def specs(parent: type[Spec] = Spec) -> Iterator[type[Spec]]:
    """Every spec of the project."""
    for child in parent.__subclasses__():
        yield child
        yield from specs(child)


@pytest.fixture
def old_revisions(monkeypatch):
    """The revisions of that commit: an algorithm that was mended since is computed again, and rightly so."""
    for spec in specs():
        monkeypatch.setattr(spec, "revision", 1)


@pytest.fixture
def old_run(tmp_path, old_revisions) -> Path:
    """A copy of the folder."""
    return Path(shutil.copytree(FOLDER, tmp_path / "run-0"))


def decisive(planned: StudyPlan) -> StudyPlan:
    """The plan without what is kept since (the norm, the paper's axis), and without settings as they are printed."""
    variants = tuple(variant.model_copy(update={"settings": {}}) for variant in planned.variants)
    probes = tuple(probe.model_copy(update={"spec": {}}) for probe in planned.probes)
    trials = tuple(trial.model_copy(update={"norm": None, "paper_axis": None}) for trial in planned.trials)
    return planned.model_copy(update={"variants": variants, "trials": trials, "probes": probes, "config": {}})


def test_the_plan_is_that_of_then(old_run):
    then, now = RunStore.open(old_run).plan(), plan(Study.from_yaml(old_run / "study.yaml"))
    assert decisive(now) == decisive(then)


def test_the_configuration_in_its_plan_is_read_and_means_the_same(old_run):
    then = RunStore.open(old_run).plan()
    assert decisive(plan(Study.parse(then.config))) == decisive(then)


def test_nothing_is_computed_again(old_run):
    before, events = stamps(old_run), []
    result = run(old_run / "study.yaml", out=old_run, threads=1, observe=events.append)
    (started,) = events
    assert isinstance(started, RunStarted)
    assert (started.everything, started.left, result.endings) == (25, (), ())
    assert stamps(old_run) == before


def test_it_reports(old_run):
    evaluation = load(RunStore.open(old_run))
    assert evaluation.problems == ()
    names = yaml.safe_load((old_run / "study.yaml").read_text())["variants"]
    assert set(evaluation.variants["variant"]) == set(names)
    page = write(old_run).read_text()
    assert all(name in page for name in names)
