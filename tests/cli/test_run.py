from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from brinell.core import BrinellError
from brinell.study.tasks import variant as variant_module

BIN = Path(sys.executable).parent / "brinell"


def test_run_shows_progress_a_table_and_the_report(brinell, study, tmp_path):
    said = brinell("run", study, "--out", tmp_path / "run", "--threads", 1)
    assert said.status == 0, said.err
    lines = said.out.splitlines()
    assert lines[0] == f"tiny: 2 variants, 6 trials in {tmp_path / 'run'}; 14 tasks"
    assert re.fullmatch(r"\[1/14 tasks, .* left\] base", lines[1])
    assert re.fullmatch(r"\[14/14 tasks, 0 s left\] pruned · pgd · 2/2", lines[14])
    assert lines[15].split() == ["variant", "clean", "fgsm", "pgd", "worst", "case", "bytes", "ratio"]
    base = lines[16].split()
    assert base[0] == "base"
    assert all(re.fullmatch(r"[\d.]+%", share) for share in base[1:5])
    sizes = {path.stat().st_size for path in (tmp_path / "run").glob("variants/*/variant.brinell")}
    assert int(base[5].replace(",", "")) in sizes
    page = Path(lines[-1].removeprefix("report: "))
    assert page == tmp_path / "run" / "report" / "index.html"
    assert page.is_file()


def test_running_again_says_that_all_is_done(brinell, study, done, tmp_path):
    shutil.copytree(done, tmp_path / "run")
    said = brinell("run", study, "--out", tmp_path / "run")
    assert said.status == 0
    assert "14 of 14 tasks are done already" in said.out


def test_dry_run_prints_and_writes_nothing(brinell, study, tmp_path):
    said = brinell("run", study, "--out", tmp_path / "run", "--dry-run", "--set", "attacks.pgd.sweep.steps=[1, 2, 4]")
    assert said.status == 0
    training, fgsm, pgd, clean = 1200 * 3 + 97, 2 * 3 + 2 * 2, 4 * 3 + 3 * 2, 2
    passes = 2 * (training + 40 * (fgsm + pgd + clean))
    assert f"2 variants, 6 trials, 0 probes, 14 tasks, about {passes:,} forward passes" in said.out
    assert f"{tmp_path / 'run'} lacks 14 tasks" in said.out
    assert not (tmp_path / "run").exists()


def test_failures_end_in_a_summary_and_status_1(brinell, study, tmp_path, monkeypatch):
    def fail(*_):
        raise RuntimeError("out of luck")

    monkeypatch.setattr(variant_module, "_from_parent", fail)
    said = brinell("run", study, "--out", tmp_path / "run", "--threads", 1)
    assert said.status == 1
    assert "error: pruned failed: RuntimeError: out of luck" in said.err
    assert f"1 failed and 6 waited for them; tracebacks are in {tmp_path / 'run' / 'failures'}" in said.err
    assert "Traceback" not in said.out + said.err
    status = brinell("status", tmp_path / "run")
    assert status.status == 1
    assert "7 of 14 results done, 1 failed, 6 blocked" in status.out
    assert "failed: pruned: RuntimeError: out of luck" in status.out
    assert re.search(r"failures/\w+\.json", status.out)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--set", "attacks.pgd.step=3"], "attacks.pgd.step: unknown key; did you mean 'steps'?"),
        (["--set", "attacks.pgd.epsilon=-1"], "attacks.pgd.epsilon: "),
        (["--set", "attacks.pdg.epsilon=1"], "there is no attacks.pdg; did you mean 'pgd'?"),
        (["--set", "models.small.weights=gone.th"], "models.small.weights: no file at gone.th"),
        (["--set", "data={kind: cifar10, root: gone}"], "data.root: no folder at gone"),
        (["--workers", "2"], "workers: the serial executor has one"),
    ],
)
def test_mistakes_are_told_in_one_line_without_a_traceback(brinell, study, tmp_path, arguments, said):
    found = brinell("run", study, "--out", tmp_path / "run", *arguments)
    assert found.status == 1
    assert found.err.startswith("error: ")
    assert said in found.err
    assert len(found.err.splitlines()) == 1
    assert "Traceback" not in found.err
    assert not (tmp_path / "run").exists()


def test_debug_shows_the_traceback(study, tmp_path):
    from brinell.cli import main

    with pytest.raises(BrinellError, match="unknown key"):
        main(["run", str(study), "--out", str(tmp_path / "run"), "--set", "blok=1", "--debug"])


def test_an_unwritable_folder_is_refused(brinell, study, tmp_path):
    (tmp_path / "file").touch()
    found = brinell("run", study, "--out", tmp_path / "file" / "run")
    assert found.status == 1
    assert f"error: cannot write {tmp_path / 'file' / 'run'}: Not a directory" in found.err


@pytest.mark.parametrize("arguments", [[], ["run"], ["run", "quickstart", "--nope"], ["list", "nothing"], ["fly"]])
def test_a_bad_command_line_is_status_2(brinell, arguments):
    assert brinell(*arguments).status == 2


@pytest.mark.slow
def test_ctrl_c_stops_cleanly_and_says_how_to_go_on(study, tmp_path):
    command = [
        BIN,
        "run",
        study,
        "--out",
        tmp_path / "run",
        "--threads",
        "1",
        "--set",
        "variants.base.train.epochs=500",
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 600
    while not list((tmp_path / "run").glob("scratch/running/*.json")):
        assert time.monotonic() < end
        assert process.poll() is None
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=600)
    assert process.returncode == 130
    assert err.startswith("stopped; to go on: brinell run ")
    assert "Traceback" not in err
    assert not list((tmp_path / "run").rglob(".tmp-*"))
