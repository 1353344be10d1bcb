"""Exit status 3: a requirement of the study that is not met."""

from __future__ import annotations

from pathlib import Path

import pytest

from brinell.store import RunStore
from reporting.fake_run import FAKES, fake_plan, write_fake_run


def run_with(root: Path, *texts: str) -> Path:
    store = write_fake_run(root, FAKES[:3], examples=200)
    plan = fake_plan(FAKES[:3], examples=200).model_copy(update={"requirements": texts})
    store.write_study("name: fake\n", plan, {})
    return root


@pytest.mark.parametrize(
    ("texts", "status", "words"),
    [
        (
            ("encoded_bytes of pruned <= -50%", "clean_accuracy of pruned >= 0.96"),
            0,
            ("requirements: 1 met", "undecided: clean_accuracy of pruned >= 0.96 of pruned"),
        ),
        (
            ("encoded_bytes of pruned <= -90%",),
            3,
            ("not met: encoded_bytes of pruned <= -90% of pruned: -67.941",),
        ),
    ],
)
def test_report_exits_with_3_where_one_is_not_met(brinell, tmp_path, texts, status, words):
    root = run_with(tmp_path / "run", *texts)
    said = brinell("report", root)
    assert said.status == status
    assert all(word in said.out + said.err for word in words)
    page = (root / "report" / "index.html").read_text()
    assert "<h2>Requirements</h2>" in page
    assert (root / "report" / "tables" / "requirements.csv").is_file()


def test_a_report_with_something_left_out_exits_with_1(brinell, tmp_path):
    root = run_with(tmp_path / "run", "encoded_bytes of pruned <= -90%")
    store = RunStore.open(root)
    (store.variant(store.plan().variants[0].key) / "costs.json").write_text("{")
    assert brinell("report", root).status == 1


def test_run_exits_with_3_where_one_is_not_met(brinell, done, study, tmp_path):
    import shutil

    root = shutil.copytree(done, tmp_path / "run")
    said = brinell("run", study, "--out", root, "--set", "requirements=['encoded_bytes <= 1', 'macs <= +200%']")
    assert said.status == 3
    assert "requirements: 1 met, 1 not met" in said.out
    assert "not met: encoded_bytes <= 1 of pruned" in said.err
    said = brinell("run", study, "--out", root, "--set", "requirements=['encoded_bites <= 1']")
    assert said.status == 1
    assert "requirements.0: 'encoded_bites <= 1': 'encoded_bites' is no metric; did you mean encoded_bytes?" in said.err
