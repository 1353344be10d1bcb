"""`brinell compare`: what it prints, and the exit status that guards a model."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from analysis.test_changes import break_examples
from brinell.store import RunStore
from reporting.fake_run import FAKES, write_fake_run


@pytest.fixture(scope="module")
def before(tmp_path_factory) -> Path:
    return write_fake_run(tmp_path_factory.mktemp("runs") / "before", FAKES[:3], examples=200).root


@pytest.fixture(scope="module")
def after(before, tmp_path_factory) -> Path:
    root = shutil.copytree(before, tmp_path_factory.mktemp("runs") / "after")
    break_examples(RunStore(root), "fgsm", "pruned", 60)
    return root


def test_nothing_changed(brinell, before):
    said = brinell("compare", before, before, "--fail-if", "robust_accuracy < 0", "--fail-if", "encoded_bytes > 0")
    assert said.status == 0
    assert "paired readings are not distinguishable on n = " in said.out
    assert said.err == ""


def test_a_fall_is_shown_and_crosses_its_limit(brinell, before, after):
    said = brinell("compare", before, after)
    assert said.status == 0
    assert "robust_accuracy under fgsm at 1/255 1 steps" in said.out
    assert "worse" in said.out
    said = brinell("compare", before, after, "--fail-if", "robust_accuracy < -0.02")
    assert said.status == 1
    assert "robust_accuracy < -0.02: robust_accuracy under fgsm at 1/255" in said.err
    assert "of pruned went from" in said.err


def test_filters_keep_out_what_they_do_not_name(brinell, before, after):
    for condition in ("robust_accuracy under pgd < -0.02", "robust_accuracy of distilled < -0.02", "macs > 0"):
        assert brinell("compare", before, after, "--fail-if", condition).status == 0


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ("robust_accuracy < low", "'low' is no number"),
        ("robust_accuracy under bim < 0", "neither run has such a reading"),
    ],
)
def test_a_guard_that_guards_nothing_is_an_error(brinell, before, condition, words):
    said = brinell("compare", before, before, "--fail-if", condition)
    assert said.status == 2
    assert words in said.err


def test_what_is_gone_crosses(brinell, before, tmp_path):
    root = shutil.copytree(before, tmp_path / "after")
    shutil.rmtree(root / "trials")
    said = brinell("compare", before, root, "--fail-if", "clean_accuracy < -0.5")
    assert said.status == 1
    assert "is not measured in the second run" in said.err


@pytest.mark.parametrize("metric", ["robust_accuracy", "top5_accuracy", "worst_case"])
def test_half_a_run_crosses(brinell, before, tmp_path, metric):
    root = shutil.copytree(before, tmp_path / "after")
    for folder in (root / "trials").iterdir():
        sorted(folder.iterdir())[-1].unlink()
    said = brinell("compare", before, root, "--fail-if", f"{metric} < -0.9")
    assert said.status == 1
    assert "in the second run 100 of 200 examples are measured) went from" in said.err


def test_no_run_is_one_clear_error(brinell, before, tmp_path):
    said = brinell("compare", before, tmp_path)
    assert said.status == 2  # 1 is a limit that was crossed
    assert "not a run's folder" in said.err


def test_no_torch(before):
    code = (
        "import sys, brinell.cli\ntry:\n    brinell.cli.main(['compare', *[sys.argv[1]] * 2])\n"
        "except SystemExit as left:\n    assert not left.code\nassert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code, str(before)], check=True, stdout=subprocess.DEVNULL)
