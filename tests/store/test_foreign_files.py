"""What is not the tool's own survives, bit for bit, wherever it lies."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from brinell.core import StoreError
from brinell.store import RunStore
from brinell.store.layout import temporary_name
from store.whole_run import (
    BLOCK,
    EXHIBIT,
    FAILED,
    FILES,
    FOLDERS,
    PLAN,
    TRIAL,
    VARIANT,
    actions,
    contents,
)

HOLDER = "process 123 on somewhere since 2026-01-01 12:00:00"


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


# Folders that are no run


FOREIGN = {
    "a file": {"thesis.tex": "x"},
    "a hidden file": {".hidden": "x"},
    "a study's file": {"study.yaml": "name: s"},
    "an environment": {"environment.json": "{}"},
    "both": {"study.yaml": "name: s", "environment.json": "{}"},
    "a lock of another tool": {".lock": "npm"},
    "an empty lock and a study": {".lock": "", "study.yaml": "name: s"},
    "a lock of ours and a thesis": {".lock": HOLDER, "thesis.tex": "x"},
    "a lock of ours and variants": {".lock": HOLDER, "variants/notes": "x"},
    "a report of another tool": {"report/index.html": "x", "report/figures/x.svg": "x", "report/tables/x.csv": "x"},
    "temporary names": {".tmp-1": "x", "a/b/.tmp-2": "x"},
    "a temporary file like ours": {temporary_name("thesis.tex"): "x"},
    "another tool's study": {"study.json": '{"direction": "minimize", "name": "s"}', "thesis.tex": "x"},
    "a study that is no JSON": {"study.json": "\0\1", "thesis.tex": "x"},
    "an empty folder inside": {"photos/x": "x"},
}


@pytest.mark.parametrize("files", FOREIGN.values(), ids=FOREIGN)
@pytest.mark.parametrize("what", ["check", "lock", "open for a report"])
def test_a_folder_that_is_no_run_is_refused_and_untouched(what: str, files: dict[str, str], tmp_path: Path) -> None:
    before = contents(write(tmp_path / "folder", files))
    with pytest.raises(StoreError) as caught:
        actions(RunStore(tmp_path / "folder"))[what]()
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'folder'} is not a run's folder: it holds ")
    assert any(repr(name.split("/")[0]) in message for name in files)
    assert message.endswith("Accepted: a new or empty folder, or the folder of a run")
    assert contents(tmp_path / "folder") == before


def test_a_report_needs_a_folder(tmp_path: Path) -> None:
    for root in (tmp_path / "nowhere", Path(write(tmp_path, {"file": ""}) / "file")):
        with pytest.raises(StoreError, match="is not a run's folder"):
            RunStore.open_for_report(root)


INTERRUPTED: dict[str, dict[str, str]] = {
    "nothing": {},
    "an empty lock": {".lock": ""},
    "a lock": {".lock": HOLDER},
    "the plan half-written": {".lock": HOLDER, temporary_name("study.json"): "{"},
    "an earlier version's": {
        ".lock": HOLDER,
        "study.yaml": "x",
        "environment.json": "{}",
        ".tmp-12-0a1b2c3d-study.json": "{",
    },
    "a damaged plan": {".lock": HOLDER, "study.json": "\0\0", "variants/x": "x"},
    "a plan cut short": {"study.json": PLAN.model_dump_json(indent=1)[:80]},
}


@pytest.mark.parametrize("files", INTERRUPTED.values(), ids=INTERRUPTED)
def test_a_first_run_that_was_interrupted_goes_on(files: dict[str, str], tmp_path: Path) -> None:
    store = RunStore(write(tmp_path, files))
    with store.lock():
        store.write_study("", PLAN, {})
    assert RunStore.open(tmp_path).plan() == PLAN
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".tmp-")]


def test_a_missing_folder_is_made_and_a_check_makes_nothing(tmp_path: Path) -> None:
    store = RunStore(tmp_path / "a" / "run")
    store.check_own()
    assert not (tmp_path / "a").exists()
    with store.lock():
        assert store.in_use


KILLER = """
import os, pathlib, signal, sys
from brinell.store import RunStore
from store.whole_run import PLAN

def first_run(root, moment):
    lines = 0
    def die(frame, event, argument):
        nonlocal lines
        if "/brinell/store/" not in frame.f_code.co_filename:
            return None
        lines += event == "line"
        if lines == moment:
            os.kill(os.getpid(), signal.SIGKILL)
        return die
    store = RunStore(root)
    sys.settrace(die)
    with store.lock():
        store.write_study("name: s", PLAN, {})
    sys.settrace(None)

for moment in range(1, 100_000, 7):
    root = pathlib.Path(sys.argv[1]) / str(moment)
    child = os.fork()
    if not child:
        first_run(root, moment)
        os._exit(0)
    if os.waitpid(child, 0)[1] == 0:
        break
"""


@pytest.mark.slow
def test_a_first_run_killed_at_any_line_is_one_that_goes_on(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", KILLER, str(tmp_path)], check=True, env=environment)
    states = set()
    for root in tmp_path.iterdir():
        states.add(frozenset(path.name for path in root.iterdir() if not path.name.startswith(".tmp-")))
        with RunStore(root).lock():
            RunStore(root).write_study("", PLAN, {})
        assert RunStore.open(root).plan() == PLAN
    assert {frozenset({".lock"}), frozenset({".lock", "study.json"})} <= states


# Files in a run that are not the run's


STRANGERS = (
    "notes.txt",
    "thesis.svg",
    ".tmp-",
    ".tmp-notes.txt",
    ".tmp-1-2-study.json",
    ".tmp-12-0a1b2c3d-thesis.docx",
    ".tmp-brinell-12-0123456789abcdef-thesis.docx",
    "photos/.tmp-brinell-12-0123456789abcdef-study.json",
    "photos/training.safetensors~",
    "ABCDEF/study.json",
)


@pytest.mark.parametrize("folder", ["", *FOLDERS])
def test_foreign_files_in_a_run_survive_everything(folder: str, whole: RunStore, tmp_path: Path) -> None:
    write(whole.root / folder, dict.fromkeys(STRANGERS, "precious"))
    (whole.root / folder / "a link").symlink_to(tmp_path)
    link = folder.startswith(f"scratch/{VARIANT}")  # what trains there is a stranger to links: refused by name
    for name, act in actions(whole).items():
        if link and name == "scratch":
            with pytest.raises(StoreError, match="a link is a symbolic link to"):
                act()
        else:
            act()
    found = whole.root / folder
    assert [(found / name).read_text() for name in STRANGERS] == ["precious"] * len(STRANGERS)
    assert (found / "a link").is_symlink()


def test_what_a_killed_writer_left_is_removed(whole: RunStore) -> None:
    files = [name for name in FILES if name != ".lock"]
    names = [str(Path(name).with_name(temporary_name(Path(name).name))) for name in files]
    names += [str(Path(name).with_name(f".tmp-12-0a1b2c3d-{Path(name).name}")) for name in files]
    folders = [f"variants/{temporary_name(VARIANT)}", f"variants/.tmp-12-0a1b2c3d-{VARIANT}"]
    names += [f"{folder}/{name}" for folder in folders for name in ("costs.json", temporary_name("variant.brinell"))]
    write(whole.root, dict.fromkeys(names, "half"))
    with whole.lock():
        assert not list(whole.root.rglob(".tmp-*"))
        assert whole.running() == {}
        kept = {str(path.relative_to(whole.root)) for path in whole.root.rglob("*") if path.is_file()}
    assert kept == {name for name in FILES if not name.startswith("scratch/running/")}


def test_a_temporary_folder_with_something_of_the_users_in_it_stays(whole: RunStore) -> None:
    folder = whole.root / "variants" / temporary_name(VARIANT)
    write(folder, {"costs.json": "half", "notes.txt": "precious"})
    with whole.lock():
        assert [path.name for path in folder.iterdir()] == ["notes.txt"]


def test_the_lock_of_another_tool_is_kept(whole: RunStore) -> None:
    (whole.root / ".lock").write_text("of another tool")
    with pytest.raises(StoreError, match=r"\.lock is not the lock of a run"), whole.lock():
        pass
    assert (whole.root / ".lock").read_text() == "of another tool"


# The report


def report(store: RunStore, *names: str) -> None:
    store.write_report("page", dict.fromkeys(names, b"new"))


def test_a_file_is_removed_because_the_last_report_wrote_it(whole: RunStore) -> None:
    write(whole.root / "report", {"figures/thesis.svg": "precious", "tables/x.csv": "changed by hand"})
    report(whole, "figures/y.svg")
    kept = {path.name for path in (whole.root / "report").rglob("*") if path.is_file()}
    assert kept == {"index.html", "manifest.json", "y.svg", "thesis.svg", "x.csv"}
    report(whole)
    assert not (whole.root / "report" / "figures" / "y.svg").exists()
    assert (whole.root / "report" / "figures" / "thesis.svg").read_text() == "precious"


@pytest.mark.parametrize("name", ["index.html", "manifest.json", "figures/x.svg", "tables/x.csv"])
@pytest.mark.parametrize("before", ["no report", "a report"])
def test_a_report_overwrites_nothing_that_no_report_wrote(name: str, before: str, whole: RunStore) -> None:
    if before == "no report":
        for path in [path for path in (whole.root / "report").rglob("*") if path.is_file()]:
            path.unlink()
    write(whole.root / "report", {name: "precious"})
    old = contents(whole.root)
    with pytest.raises(StoreError, match=r"was not written by `brinell report`.* move it away") as caught:
        report(whole, "figures/x.svg", "tables/x.csv")
    assert str(whole.root / "report" / name) in str(caught.value)
    assert contents(whole.root) == old


def test_a_report_of_an_earlier_version_is_written_over_and_nothing_of_it_removed(whole: RunStore) -> None:
    (whole.root / "report" / "manifest.json").unlink()
    old = {"index.html": "<title>s · brinell</title>", "figures/x.svg": "<desc>Made by: brinell report s</desc>"}
    write(whole.root / "report", old | {"figures/old.svg": "<desc>Made by: brinell report s</desc>"})
    report(whole, "figures/x.svg", "figures/x.pdf")
    assert (whole.root / "report" / "index.html").read_text() == "page"
    assert (whole.root / "report" / "figures" / "x.pdf").read_bytes() == b"new"
    assert (whole.root / "report" / "figures" / "old.svg").exists()
    assert (whole.root / "report" / "tables" / "x.csv").exists()


@pytest.mark.parametrize(
    "name", ["../study.json", "figures/../../study.json", "/etc/passwd", "figures", "", "\0", "figures/\0"]
)
def test_a_manifest_of_a_stranger_names_only_what_a_report_writes(name: str, whole: RunStore) -> None:
    (whole.root / "report" / "manifest.json").write_text(json.dumps({"brinell_report": 1, "files": {name: ["0" * 64]}}))
    old = contents(whole.root)
    with pytest.raises(StoreError, match=r"no report writes|no name for an entry"):
        report(whole)
    assert contents(whole.root) == old


@pytest.mark.parametrize("moment", range(1, 8))
def test_a_report_killed_midway_is_written_over_by_the_next(
    moment: int, whole: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    from brinell.store import report_files

    calls = 0

    def counted(write: Callable[..., None]) -> Callable[..., None]:
        def wrapped(*arguments: object) -> None:
            nonlocal calls
            calls += 1
            if calls == moment:
                raise KeyboardInterrupt
            write(*arguments)

        return wrapped

    names = ("figures/x.svg", "figures/new.svg", "tables/x.csv")
    with monkeypatch.context() as patch:
        for name in ("write_bytes", "write_text"):
            patch.setattr(report_files, name, counted(getattr(report_files, name)))
        if moment < 7:
            with pytest.raises(KeyboardInterrupt):
                report(whole, *names)
        else:
            report(whole, *names)
    report(whole, "figures/other.svg")
    kept = {
        str(path.relative_to(whole.root / "report")) for path in (whole.root / "report").rglob("*") if path.is_file()
    }
    assert kept == {"index.html", "manifest.json", "figures/other.svg"}


def test_the_helper_covers_everything_that_a_run_can_hold(pristine: Path) -> None:
    found = {str(path.relative_to(pristine)) for path in pristine.rglob("*")}
    assert found == {*FILES, *FOLDERS}
    assert {BLOCK, FAILED, TRIAL} <= {part for name in FILES for part in name.replace(".", "/").split("/")}
    assert len(EXHIBIT) == 8
