"""Reading files that strangers made: regular ones only, bounded, their contents known by digest."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from brinell.core import BrinellError, DataError, check_regular_file, file_digest, read_regular_file
from brinell.store import write_text

MOST_BYTES: Final = 1 << 28
"""Of one encoded image."""


def read_regular(path: Path, most: int = MOST_BYTES) -> bytes:
    """The bytes of a regular file, which a symbolic link may lead to.

    Raises:
        DataError: there is no file, it is a pipe, device or folder, or it has more than `most` bytes; the message does
            not name it.
    """
    try:
        return read_regular_file(path, most)
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}") from error


def check_regular(path: Path) -> os.stat_result:
    """The status of a regular file.

    Raises:
        DataError: there is no file, or it is a pipe, device or folder.
    """
    try:
        return check_regular_file(path)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error


def content_digests(files: Sequence[Path], cache: Path) -> list[str]:
    """The SHA-256 of each file.

    They are kept in `cache` under the files' sizes, inodes and times of change, so that unchanged files are read once.

    Raises:
        DataError: a file is missing or no regular one.
    """
    state = hashlib.sha256()
    for path in files:
        status = check_regular(path)
        times = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev)
        state.update(f"{path.absolute()}\0{times}\n".encode(errors="surrogateescape"))
    known = cache / "digests" / f"{state.hexdigest()}.json"
    with suppress(OSError, ValueError):
        digests = json.loads(known.read_text())
        if len(digests) == len(files):
            return list(map(str, digests))
    digests = [_digest(path) for path in files]
    with suppress(BrinellError):  # a cache that cannot be written costs time only
        write_text(known, json.dumps(digests))
    return digests


def _digest(path: Path) -> str:
    try:
        return file_digest(path)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error


def cache_folder(chosen: Path | None) -> Path:
    """Where decoded images are kept: `chosen`, or `BRINELL_CACHE`, or the user's folder of caches."""
    if chosen is not None:
        return chosen
    if named := os.environ.get("BRINELL_CACHE"):
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "brinell"
