"""A study whose process is killed four times, by the program that measures it (`benchmarks/kills.py`)."""

from __future__ import annotations

import importlib
import multiprocessing
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
MOMENTS = (1, 4, 3, 9)
"""Events after which the process is killed: in the first training, in the second, and between blocks."""


@pytest.mark.slow
def test_a_run_that_is_killed_four_times_ends_as_an_undisturbed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    monkeypatch.setattr(multiprocessing, "get_context", multiprocessing.get_context)  # put back afterwards
    program = importlib.import_module("fault_study")
    program.undisturbed(tmp_path / "undisturbed", "serial", None)
    for events in MOMENTS:
        with program.Driver(tmp_path / "run", "serial", None) as driver:
            assert driver.pass_events(events)
            driver.kill()
        assert driver.ending == ""
    with program.Driver(tmp_path / "run", "serial", None) as driver:
        while driver.pass_events(1):
            pass
    assert driver.ending == "done"
    assert program.compare_rows(tmp_path / "undisturbed", tmp_path / "run") == (24, 0)
