"""SHA-256 of files, computed once while a file stays as it is."""

from __future__ import annotations

import hashlib
import os
import time
from functools import lru_cache
from pathlib import Path
from typing import Final

from brinell.core import StoreError

_SETTLED: Final = 3_000_000_000
"""Nanoseconds after which another change shows in a file's times, on every usual file system (2 s on FAT)."""


def file_sha256(path: Path) -> str:
    """SHA-256 in hexadecimal; a file that has not changed since this process last read it is not read again.

    Raises:
        StoreError: the file cannot be read.
    """
    try:
        status = path.stat()
        changed = max(status.st_mtime_ns, status.st_ctime_ns)
        if time.time_ns() - changed < _SETTLED:
            return _sha256(path)
        return _remembered(path, _identity(status))
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror or error}") from error


def _identity(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


@lru_cache(maxsize=4096)
def _remembered(path: Path, identity: tuple[int, ...]) -> str:
    """As `file_sha256`; `identity` changes when the file does."""
    return _sha256(path)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
