"""Writes that a kill or a full disk leaves whole: the old thing, or the new one."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from brinell.core import StoreError
from brinell.store import atomic_folder, atomic_path, read_table, write_bytes, write_table, write_text
from brinell.store.layout import TEMPORARY

KILLER = """
import itertools, os, pathlib, shutil, signal, sys
import polars as pl
from brinell.store import atomic_folder, write_bytes, write_table

what, root = sys.argv[1], pathlib.Path(sys.argv[2])

def write(folder, at):
    # Calls `at(line)` before each line.
    lines = itertools.count(1)
    def trace(frame, event, argument):
        if not frame.f_code.co_filename.endswith(("atomic.py", "tables.py", "pathlib.py", "<string>")):
            return None
        sys.settrace(None)
        at(next(lines))
        sys.settrace(trace)
        return trace
    sys.settrace(trace)
    if what == "file":
        write_bytes(folder / "file", b"new" * 1000)
    elif what == "table":
        write_table(folder / "table", pl.DataFrame({"a": [2, 2, 2]}), {"made": "new"})
    else:
        with atomic_folder(folder / "folder") as temporary:
            (temporary / "one").write_text("1")
            (temporary / "two").write_text("2")
    sys.settrace(None)

def die_at(moment):
    def die(line):
        if line == moment:
            os.kill(os.getpid(), signal.SIGKILL)
    return die

def in_child(folder, at):
    # The status of a process that writes and calls `at`: the threads of Polars would not outlive a fork.
    shutil.copytree(root / "before", folder)
    child = os.fork()
    if not child:
        write(folder, at)
        os._exit(0)
    return os.waitpid(child, 0)[1]

observed, states = root / "observed", root / "states"
with states.open("a", buffering=1) as file:
    in_child(observed, lambda line: file.write(str([
        (str(path), found.st_size, found.st_mtime_ns, found.st_ino)
        for path in sorted(observed.rglob("*")) for found in [path.stat()]
    ]) + "\\n"))
found = states.read_text().splitlines()
shutil.rmtree(observed)
states.unlink()
for moment in itertools.count(1):
    near = found[max(moment - 3, 0) : moment + 2]
    if len(set(near)) == 1 and moment % 10 and moment < len(found) - 10:
        continue
    if in_child(root / str(moment), die_at(moment)) == 0:
        break  # it ended before its moment came
"""
"""A kill leaves what is on the disk, so that lines at which that changes are enough, and of the others each tenth."""


def seen(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.iterdir())


def whole(path: Path) -> list[str]:
    return [name for name in seen(path) if not name.startswith(TEMPORARY)]


@pytest.mark.slow
@pytest.mark.parametrize("what", ["file", "table", "folder"])
def test_a_writer_killed_at_any_line_leaves_the_old_or_the_new(what: str, tmp_path: Path) -> None:
    write_bytes(tmp_path / "before" / "file", b"old")
    write_table(tmp_path / "before" / "table", pl.DataFrame({"a": [1]}), {})
    subprocess.run([sys.executable, "-c", KILLER, what, str(tmp_path)], check=True)
    moments = sorted((path for path in tmp_path.iterdir() if path.name != "before"), key=lambda path: int(path.name))
    assert len(moments) > 10
    renamed = []
    for folder in moments:
        if what == "folder":
            done = "folder" in whole(folder)
            assert not done or [(folder / "folder" / name).read_text() for name in ("one", "two")] == ["1", "2"]
            assert whole(folder) == sorted(["file", "table", *["folder"] * done])
        else:
            values = (folder / "file").read_bytes(), read_table(folder / "table")["a"].to_list()
            old, new = (b"old", [1]), (b"new" * 1000, [1]) if what == "file" else (b"old", [2, 2, 2])
            assert values in (old, new)
            assert whole(folder) == ["file", "table"]
            done = values == new
        renamed.append(done)
    assert renamed == sorted(renamed), "first the old at every moment, then the new"
    assert {renamed[0], renamed[-1]} == {False, True}


def full_disk(*arguments: object, **options: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("where", ["fsync", "open", "replace"])
def test_a_full_disk_is_one_clear_error_and_loses_nothing(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_text(tmp_path / "file", "old")
    with monkeypatch.context() as patch:
        patch.setattr(Path if where == "replace" else os, where, full_disk)
        with pytest.raises(StoreError) as caught:
            write_text(tmp_path / "file", "new")
    assert str(caught.value) == (
        f"cannot write {tmp_path / 'file'}: No space left on device; what was there before is untouched"
    )
    assert (tmp_path / "file").read_text() == "old"
    assert seen(tmp_path) == ["file"]


def test_a_full_disk_while_a_folder_is_filled_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="No space left"), atomic_folder(tmp_path / "folder") as temporary:
        full_disk((temporary / "one").write_text("1"))
    assert seen(tmp_path) == []


LIMITED = """
import pathlib, resource, signal, sys
import numpy as np, polars as pl
from brinell.core import StoreError
from brinell.store import atomic_path, write_bytes, write_table
from safetensors.numpy import save_file

what, path = sys.argv[1], pathlib.Path(sys.argv[2])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))  # the system itself refuses to write more
values = np.random.default_rng(0).random(5000)
try:
    if what == "bytes":
        write_bytes(path, values.tobytes())
    elif what == "table":
        write_table(path, pl.DataFrame({"a": values}), {})
    else:
        with atomic_path(path) as temporary:
            save_file({"a": values}, temporary)
except StoreError as error:
    print(error.__cause__.errno, error)
"""


@pytest.mark.parametrize("what", ["bytes", "table", "safetensors"])
def test_whoever_writes_what_the_system_refuses_is_told_the_same(what: str, tmp_path: Path) -> None:
    """Libraries written in Rust do not raise an `OSError` for it."""
    write_bytes(tmp_path / "file", b"old")
    command = [sys.executable, "-c", LIMITED, what, str(tmp_path / "file")]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    assert said.stdout == (
        f"{errno.EFBIG} cannot write {tmp_path / 'file'}: File too large; what was there before is untouched\n"
    )
    assert (tmp_path / "file").read_bytes() == b"old"
    assert seen(tmp_path) == ["file"]


def test_a_refusal_inside_a_block_keeps_its_own_place_and_cause(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StoreError, match="file/inside: ") as caught, atomic_folder(tmp_path / "folder"):
        write_text(tmp_path / "file" / "inside", "x")
    assert isinstance(caught.value.__cause__, OSError)
    with pytest.raises(StoreError, match="cannot read the table"), atomic_path(tmp_path / "new"):
        read_table(tmp_path / "nowhere")


def test_an_unwritable_folder_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StoreError, match=r"cannot write .*file/inside: "):
        write_text(tmp_path / "file" / "inside", "x")
    with pytest.raises(StoreError, match=r"cannot write .*file/inside: "), atomic_folder(tmp_path / "file" / "inside"):
        pass


def test_an_exception_of_the_writer_itself_comes_through_and_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), atomic_path(tmp_path / "file") as temporary:
        temporary.write_text(f"half {1 / 0}")
    with pytest.raises(ZeroDivisionError), atomic_folder(tmp_path / "folder") as temporary:
        (temporary / "file").write_text(f"half {1 / 0}")
    assert seen(tmp_path) == []


def test_nothing_is_seen_before_it_is_whole(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "folder") as temporary:
        (temporary / "inside").mkdir()
        (temporary / "inside" / "file").write_text("1")
        assert whole(tmp_path) == []
        assert temporary.name.startswith(TEMPORARY)
    assert whole(tmp_path) == ["folder"]
    assert (tmp_path / "folder" / "inside" / "file").read_text() == "1"


def test_a_folder_that_exists_is_kept(tmp_path: Path) -> None:
    for text in ("first", "second"):
        with atomic_folder(tmp_path / "folder") as temporary:
            (temporary / "file").write_text(text)
    assert (tmp_path / "folder" / "file").read_text() == "first"
    assert seen(tmp_path) == ["folder"]


def test_parents_are_made_and_long_names_fit(tmp_path: Path) -> None:
    name = "n" * 250
    write_text(tmp_path / "a" / "b" / name, "x")
    assert (tmp_path / "a" / "b" / name).read_text() == "x"
