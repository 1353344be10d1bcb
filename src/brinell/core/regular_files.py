"""Opening files that strangers name: regular ones only, and no more bytes than the caller says.

A named pipe blocks whoever opens it, and a device such as `/dev/zero` never ends.
"""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path
from typing import Final

_IN_WORDS: Final = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def check_regular_file(path: Path) -> os.stat_result:
    """The status of a regular file, which a symbolic link may lead to; nothing is opened.

    Args:
        path: Of the file.

    Returns:
        What `stat` says of it: its size, its time.

    Raises:
        OSError: there is no file, or it is a folder, named pipe, socket or device.

    Examples:
        >>> from pathlib import Path
        >>> import tempfile
        >>> with tempfile.NamedTemporaryFile() as file:
        ...     check_regular_file(Path(file.name)).st_size
        0
    """
    status = path.stat()
    _check(status, path)
    return status


def open_regular_file(path: Path) -> BufferedReader:
    """A regular file, open for reading. Anything else is refused and never waited for.

    Args:
        path: Of the file.

    Returns:
        The file; whoever opens it closes it.

    Raises:
        OSError: there is no file, or it is a folder, named pipe, socket or device.

    Examples:
        >>> from pathlib import Path
        >>> import os
        >>> try:
        ...     open_regular_file(Path(os.devnull))
        ... except OSError as error:
        ...     print(type(error).__name__)
        OSError
    """
    _check(path.stat(), path)  # some devices act when they are opened
    file = os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)), "rb")
    try:
        _check(os.fstat(file.fileno()), path)
    except OSError:
        file.close()
        raise
    return file


def read_regular_file(path: Path, most: int) -> bytes:
    """All bytes of a regular file.

    Args:
        path: Of the file.
        most: Most bytes that are accepted.

    Returns:
        Its bytes.

    Raises:
        OSError: as `open_regular_file`, or it has more than `most` bytes.

    Examples:
        >>> from pathlib import Path
        >>> import tempfile
        >>> with tempfile.NamedTemporaryFile() as file:
        ...     read_regular_file(Path(file.name), most=10)
        b''
    """
    with open_regular_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        data = file.read(size + 1) if size <= most else b""  # `most` bytes would be allocated first
        if size < len(data):  # it grows, or its size is not known
            data += file.read(most + 1 - len(data))
    if max(size, len(data)) > most:
        raise OSError(errno.EFBIG, f"it has {max(size, len(data)):,} bytes; at most {most:,} are accepted", str(path))
    return data


def _check(status: os.stat_result, path: Path) -> None:
    if not stat.S_ISREG(status.st_mode):
        found = next((words for is_kind, words in _IN_WORDS if is_kind(status.st_mode)), "something else")
        raise OSError(errno.EINVAL, f"it is no regular file but {found}", str(path))
