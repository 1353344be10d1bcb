"""One run at a time on one folder, across processes and deaths."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from brinell.core import StoreError
from brinell.store import locked
from brinell.store.lock import is_locked

HOLDER = """
import pathlib, sys, time
from brinell.store import locked
with locked(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path / ".lock")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_process_is_refused_and_told_who_holds_it(holder: subprocess.Popen[str], tmp_path: Path) -> None:
    for _ in range(2):  # asking must not wipe out the holder's name
        with pytest.raises(StoreError) as caught, locked(tmp_path / ".lock"):
            pass
        message = str(caught.value)
        assert f"{tmp_path} is in use by process {holder.pid} on " in message
        assert "--out" in message


def test_the_lock_dies_with_its_holder(holder: subprocess.Popen[str], tmp_path: Path) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with locked(tmp_path / ".lock"):
        assert f"process {os.getpid()} on " in (tmp_path / ".lock").read_text()


def test_the_lock_is_free_again_after_its_block_and_after_an_exception(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), locked(tmp_path / ".lock"):
        raise ZeroDivisionError
    with locked(tmp_path / ".lock"):
        pass


def test_one_process_cannot_hold_it_twice(tmp_path: Path) -> None:
    taken = pytest.raises(StoreError, match=f"process {os.getpid()} ")
    with locked(tmp_path / ".lock"), taken, locked(tmp_path / ".lock"):
        pass


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StoreError, match=r"cannot write .*file: "), locked(tmp_path / "file" / ".lock"):
        pass


def test_whoever_asks_whether_a_folder_is_locked_refuses_no_run(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    with locked(path):
        pass
    descriptor = os.open(path, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_SH)  # as `is_locked` does, and is slow
    threading.Timer(0.1, lambda: os.close(descriptor)).start()
    with locked(path):
        assert is_locked(path)
