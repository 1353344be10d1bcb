from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from brinell.core import StoreError
from brinell.store import file_digest
from brinell.store.file_digest import file_sha256


def test_a_file_that_stays_as_it_is_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_digest, "_SETTLED", -1)  # the file is as old as it needs to be
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    assert file_sha256(path) == hashlib.sha256(b"abc").hexdigest()
    with monkeypatch.context() as only:
        only.setattr(file_digest, "_sha256", lambda path: pytest.fail("it is read again"))
        assert file_sha256(path) == hashlib.sha256(b"abc").hexdigest()


def test_a_change_is_seen_at_once_though_size_and_time_of_writing_stay(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    file_sha256(path)
    path.write_bytes(b"abd")
    os.utime(path, ns=times)
    assert file_sha256(path) == hashlib.sha256(b"abd").hexdigest()


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"cannot read .*gone: No such file"):
        file_sha256(tmp_path / "gone")
