"""The GitHub Action, by running its steps as a runner would: each script in bash, its inputs in the environment."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from analysis.test_changes import break_examples
from brinell.store import RunStore
from reporting.fake_run import FAKES, write_fake_run

ROOT = Path(__file__).parents[2]
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text())
COMPARE, COMMENT, END = ACTION["runs"]["steps"]


def bash(script: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    files = {"GITHUB_OUTPUT": str(folder / "output"), "GITHUB_STEP_SUMMARY": str(folder / "summary")}
    path = f"{folder / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    known = {**os.environ, "PATH": path, "RUNNER_TEMP": str(folder), **files, **environment}
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    return subprocess.run(command, cwd=folder, env=known, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("workspace")
    before = write_fake_run(folder / "before", FAKES[:3], examples=200).root
    break_examples(RunStore(shutil.copytree(before, folder / "after")), "fgsm", "pruned", 60)
    return folder


@pytest.mark.parametrize(
    ("fail_if", "require", "status"),
    [
        ("", "", "0"),
        ("macs > 0\nencoded_bytes > 5%\n", "encoded_bytes of pruned <= -50%\n", "0"),
        ("macs > 0\nrobust_accuracy < -0.02\n", "", "1"),
        ("", "encoded_bytes of pruned <= -90%\n", "3"),
        ("beauty > 1", "", "2"),
        ("macs > 0; touch injected", "$(touch injected)", "2"),
    ],
)
def test_its_steps(folder: Path, tmp_path: Path, fail_if: str, require: str, status: str) -> None:
    names = {"BEFORE": str(folder / "before"), "AFTER": str(folder / "after")}
    done = bash(COMPARE["run"], tmp_path, **names, FAIL_IF=fail_if, REQUIRE=require)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "output").read_text() == f"status={status}\n"
    assert not (tmp_path / "injected").exists()
    summary = (tmp_path / "summary").read_text()
    assert ("| failed |" in summary) is (status in "13")
    assert ("::error title=" in done.stdout) is (status in "13")
    assert bash(END["run"], tmp_path, STATUS=status).returncode == int(status)


def test_it_comments_the_table(tmp_path: Path) -> None:
    """With a `gh` that keeps its arguments."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "gh"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@" > arguments\n')
    program.chmod(0o755)
    done = bash(COMMENT["run"], tmp_path, GH_TOKEN="none", NUMBER="7", REPOSITORY="user/repo")  # noqa: S106
    assert done.returncode == 0, done.stderr
    expected = ["pr", "comment", "7", "--repo", "user/repo", "--body-file", str(tmp_path / "brinell.md")]
    assert (tmp_path / "arguments").read_text().splitlines() == expected


def test_no_input_enters_a_script_but_by_the_environment() -> None:
    assert all("${{" not in step["run"] for step in ACTION["runs"]["steps"])
    used = str([step.get("env", {}) for step in ACTION["runs"]["steps"]] + [COMMENT["if"]])
    assert [name for name in ACTION["inputs"] if f"inputs.{name}" not in used] == []
