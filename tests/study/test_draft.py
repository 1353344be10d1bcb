"""First studies: sizes that fit the time, and a file that is read back as what was meant."""

from __future__ import annotations

from dataclasses import replace

import pytest

from brinell.study import Study
from brinell.study.draft import Look, Sizes, Work, fit_sizes, sections, write_draft
from brinell.study.reading import parse_yaml

LOOK = Look(
    accuracy=0.9,
    examples=200,
    layers=9,
    macs=10**6,
    parameters=10**5,
    file_bytes=400_000,
    seconds=1e-3,
    epsilon=4,
    train_examples=50_000,
    test_examples=5_000,
)
WORK = Work(epoch=150_000, trainings=300_000, example=500, probe=100)


def passes(sizes: Sizes) -> float:
    part = 1.0 if sizes.train_examples is None else sizes.train_examples / LOOK.train_examples
    return (
        part * (WORK.epoch * sizes.epochs + WORK.trainings)
        + WORK.example * sizes.test_examples
        + WORK.probe * sizes.probe_examples
    )


@pytest.mark.parametrize("hours", [0.1, 0.25, 0.5, 1])
def test_the_study_takes_the_time_that_it_is_given(hours: float) -> None:
    sizes = fit_sizes(LOOK, WORK, hours)
    assert 0.5 * hours <= passes(sizes) * LOOK.seconds / 3600 <= hours


def test_more_time_is_never_less_work() -> None:
    every = [passes(fit_sizes(LOOK, WORK, hours)) for hours in (0.1, 0.2, 0.5, 1, 2, 5, 100)]
    assert every == sorted(every)
    assert fit_sizes(LOOK, WORK, 1000) == Sizes(8, None, 1000)


def test_there_is_always_something_to_measure() -> None:
    assert fit_sizes(LOOK, WORK, 1e-6) == Sizes(1, 100, 20, 0)
    assert fit_sizes(replace(LOOK, test_examples=7), WORK, 1e-6).test_examples == 7


def test_the_file_is_the_study_with_comments() -> None:
    sizes = Sizes(2, 1200, 300)
    model = {"kind": "custom", "file": "a b's.py", "factory": "on", "arguments": {"width": 4, "name": "#1: x"}}
    data = {"kind": "images", "root": "/my data/: {x}", "size": [32, 32]}
    study = sections("mine", data, model, LOOK, sizes, int8=True)
    text = write_draft(study, LOOK, 2, "brinell run mine.yaml --trust-code")
    assert Study.parse(parse_yaml(text)) == Study.parse(study)
    assert Study.parse(study).data.train.examples == 1200
    assert "#   brinell run mine.yaml --trust-code" in text
    assert all(len(line) <= 160 for line in text.splitlines())
    unprobed = sections("mine", data, model, LOOK, replace(sizes, probe_examples=0), int8=True)
    assert unprobed["probes"] == {"masking": False}
    assert Study.parse(parse_yaml(write_draft(unprobed, LOOK, 2, "brinell run"))) == Study.parse(unprobed)
    assert "int8" not in sections("mine", data, model, LOOK, sizes, int8=False)["variants"]
