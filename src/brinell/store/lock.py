"""One run at a time on one folder.

`filelock` would empty the file before it holds the lock, and with it the name of the process that does.
"""

from __future__ import annotations

import fcntl
import os
import re
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from brinell.core import StoreError

_OPEN: Final = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""No link is followed, and a named pipe does not wait for its other end."""
_TRIES: Final = 50
_BETWEEN: Final = 0.01
"""Seconds between two tries to lock."""
_HOLDER: Final = re.compile(r"process [0-9]+ on \S* since [0-9]{4}-[0-9]{2}-[0-9]{2} ")


def is_lock_file(path: Path) -> bool:
    """Whether a run has written the file `path`, living or dead."""
    try:
        descriptor = os.open(path, os.O_RDONLY | _OPEN)
    except OSError:
        return False
    try:
        return _HOLDER.match(_holder(descriptor)) is not None
    finally:
        os.close(descriptor)


def is_locked(path: Path) -> bool:
    """Whether a living process holds the lock on the file `path`."""
    try:
        descriptor = os.open(path, os.O_RDONLY | _OPEN)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on the file `path`; the system drops it when the process dies, however it dies.

    Args:
        path: Of the lock's file, which is made.

    Returns:
        A block.

    Raises:
        StoreError: another process holds it (the message says which), the folder cannot be written, or `path` is
            something else than a lock's file.

    Examples:
        >>> from pathlib import Path
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as root, locked(Path(root) / "lock"):
        ...     (Path(root) / "lock").exists()
        True
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | _OPEN, 0o644)
    except OSError as error:
        raise StoreError(f"cannot write {path.parent}: {error.strerror or error}") from error
    try:
        holder = _holder(descriptor)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode) or (holder and not _HOLDER.match(holder)):
            raise StoreError(f"{path} is not the lock of a run; move it away, or choose another folder with --out")
        if not _lock(descriptor):
            raise StoreError(
                f"{path.parent} is in use by {_holder(descriptor) or 'another process'}; wait for it to end, or choose "
                "another folder with --out"
            )
        since = time.strftime("%Y-%m-%d %H:%M:%S")
        text = f"process {os.getpid()} on {socket.gethostname()} since {since}".encode()
        os.pwrite(descriptor, text, 0)  # never empty in between: a run that is killed here is still recognised
        os.ftruncate(descriptor, len(text))
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """Lock the file, unless a process goes on holding it: `is_locked` of another one holds it for a moment."""
    for left in range(_TRIES, 0, -1):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_BETWEEN if left > 1 else 0)
        else:
            return True
    return False


@contextmanager
def folder_locked(folder: Path) -> Iterator[None]:
    """Hold a lock on `folder`, once no other process does. A file system that locks no folders is gone on without."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | _OPEN)
    try:
        with suppress(OSError):  # some network file systems lock no folders
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _holder(descriptor: int) -> str:
    """What the file says of the process that holds it, or held it last; empty where it says nothing."""
    try:
        return os.pread(descriptor, 400, 0).decode(errors="replace").strip()
    except OSError:  # a named pipe
        return ""
