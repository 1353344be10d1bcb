"""Commands keep off folders that are no run's, and off what is not theirs in a run."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import brinell as library
from brinell.core import StoreError
from brinell.store import RunStore
from store.whole_run import contents

PRECIOUS = {
    "thesis.tex": "x",
    ".tmp-notes": "x",
    "photos/.tmp-1": "x",
    "report/index.html": "x",
    "report/figures/plot.svg": "x",
    "report/tables/numbers.csv": "x",
    "study.yaml": "name: s",
}


def write(root: Path) -> Path:
    for name, text in PRECIOUS.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize("command", ["run", "dry run", "report", "watch", "status", "compare"])
def test_a_folder_that_is_no_run_is_refused_and_untouched(brinell, study, done, tmp_path, command):
    folder = write(tmp_path / "thesis")
    before = contents(folder)
    said = brinell(
        *{
            "run": ("run", study, "--out", folder),
            "dry run": ("run", study, "--out", folder, "--dry-run"),
            "report": ("report", folder),
            "watch": ("report", folder, "--watch"),
            "status": ("status", folder),
            "compare": ("compare", done, folder),
        }[command]
    )
    assert said.status == (2 if command == "compare" else 1)
    (line,) = said.err.splitlines()
    assert line.startswith(f"error: {folder} is not a run's folder")
    assert contents(folder) == before


@pytest.mark.parametrize("write_report", [library.report, lambda folder: library.run("quickstart", out=folder)])
def test_so_does_the_library(write_report, tmp_path):
    folder = write(tmp_path / "thesis")
    before = contents(folder)
    with pytest.raises(StoreError, match=r"it holds '\.tmp-notes', 'photos', 'report' and 2 more"):
        write_report(folder)
    assert contents(folder) == before


@pytest.mark.parametrize("options", [(), ("--watch",)])
def test_a_page_of_the_users_is_kept(brinell, done, tmp_path, options):
    root = Path(shutil.copytree(done, tmp_path / "run", ignore=shutil.ignore_patterns("report")))
    (root / "report").mkdir()
    (root / "report" / "index.html").write_text("precious")
    said = brinell("report", root, *options)
    assert said.status == 1
    (line,) = said.err.splitlines()
    assert f"{root / 'report' / 'index.html'} was not written by `brinell report`" in line
    assert "move it away" in line
    assert [path.name for path in (root / "report").iterdir()] == ["index.html"]
    assert (root / "report" / "index.html").read_text() == "precious"


def test_what_is_not_the_runs_survives_a_run_and_its_report(brinell, study, done, tmp_path):
    root = Path(shutil.copytree(done, tmp_path / "run", ignore=shutil.ignore_patterns("report")))
    folders = [root, *(path for path in root.rglob("*") if path.is_dir()), root / "report" / "figures"]
    names = ("notes.txt", ".tmp-notes", "photos/.tmp-1", "plot.svg")
    for folder in folders:
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text("precious")
    lost = sorted((root / "trials").rglob("*.parquet"))[0]
    lost.unlink()
    for _ in range(2):
        said = brinell("run", study, "--out", root, "--threads", 1)
        assert said.status == 0, said.err
    assert lost.is_file()
    assert (root / "report" / "index.html").is_file()
    for folder in folders:
        assert [(folder / name).read_text() for name in names] == ["precious"] * len(names)


@pytest.mark.parametrize("link", ["report/figures", "report", "trials", "variants/KEY", "variants/KEY/costs.json"])
def test_links_that_leave_a_run_are_named_and_not_followed(brinell, study, done, tmp_path, link):
    root = Path(shutil.copytree(done, tmp_path / "run"))
    brinell("report", root)
    place = root / link.replace("KEY", RunStore(root).plan().variants[0].key)
    (tmp_path / "home").mkdir()
    target = Path(shutil.move(place, tmp_path / "home" / place.name))
    if target.is_dir():
        (target / "thesis.svg").write_text("precious")
    place.symlink_to(target)
    before = contents(tmp_path / "home")
    for command in (("run", study, "--out", root), ("report", root)):
        said = brinell(*command)
        assert said.status == 1
        assert "Traceback" not in said.err
        assert f"{place.relative_to(root)} is a symbolic link to" in said.err
        assert contents(tmp_path / "home") == before


def test_a_link_to_a_run_works(brinell, study, done, tmp_path):
    (tmp_path / "big").mkdir()
    shutil.copytree(done, tmp_path / "big" / "tiny")
    (tmp_path / "runs").symlink_to(tmp_path / "big")
    for command in (("run", study, "--out", tmp_path / "runs" / "tiny"), ("status", tmp_path / "runs" / "tiny")):
        assert brinell(*command).status == 0
