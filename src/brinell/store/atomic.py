"""Atomic writes: a file or folder that exists is whole, whatever moment the process was killed at."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from brinell.core import BrinellError, StoreError
from brinell.store.layout import temporary_name


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on leaving, sync it and rename it into place.

    Args:
        path: Of the file; its folder is made.

    Returns:
        A path to be written in the block.

    Raises:
        StoreError: the folder cannot be written or the disk is full; `path` is then as it was.

    Examples:
        >>> from pathlib import Path
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as root:
        ...     with atomic_path(Path(root) / "file") as temporary:
        ...         _ = temporary.write_text("text")
        ...     (Path(root) / "file").read_text()
        'text'
    """
    temporary = path.with_name(temporary_name(path.name))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _sync(temporary)
        temporary.replace(path)
        _sync(path.parent)
    except Exception as error:
        if system := _system(error):
            raise _refused(path, system) from system
        raise
    finally:
        with suppress(OSError):  # what went wrong already is what the caller must hear of
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """As `atomic_path`, for a folder; a `path` that exists already is kept and the new one dropped.

    Args:
        path: Of the folder.

    Returns:
        A temporary folder beside it, to be filled in the block.

    Examples:
        >>> from pathlib import Path
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as root:
        ...     with atomic_folder(Path(root) / "made") as folder:
        ...         _ = (folder / "file").write_text("text")
        ...     sorted(path.name for path in Path(root).rglob("*"))
        ['file', 'made']
    """
    temporary = path.with_name(temporary_name(path.name))
    try:
        temporary.mkdir(parents=True)
        yield temporary
        for file in temporary.rglob("*"):
            _sync(file)
        _sync(temporary)
        if not path.exists():
            temporary.rename(path)
            _sync(path.parent)
    except Exception as error:
        if system := _system(error):
            raise _refused(path, system) from system
        raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a whole file atomically.

    Args:
        path: Of the file; its folder is made.
        data: All of it.

    Raises:
        StoreError: As `atomic_path`.

    Examples:
        >>> from pathlib import Path
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as root:
        ...     write_bytes(Path(root) / "file", b"bytes")
        ...     (Path(root) / "file").read_bytes()
        b'bytes'
    """
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write a whole UTF-8 file atomically.

    Args:
        path: Of the file; its folder is made.
        text: All of it.

    Raises:
        StoreError: As `atomic_path`.

    Examples:
        >>> from pathlib import Path
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as root:
        ...     write_text(Path(root) / "file", "text")
        ...     (Path(root) / "file").read_text()
        'text'
    """
    write_bytes(path, text.encode())


def make_folder(path: Path) -> None:
    """Make a folder where there is none.

    Raises:
        StoreError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror or error}") from error


def remove_file(path: Path) -> None:
    """Remove a file that may be there.

    Raises:
        StoreError: it cannot be removed.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"cannot remove {path}: {error.strerror or error}") from error


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _system(error: Exception) -> OSError | None:
    """The system's own error; libraries written in Rust (safetensors, polars) hide it in the text of theirs."""
    if isinstance(error, OSError):
        return error
    code = None if isinstance(error, BrinellError) else re.search(r"\(os error (\d+)\)", str(error))
    return None if code is None else OSError(int(code[1]), os.strerror(int(code[1])))


def _refused(path: Path, error: OSError) -> StoreError:
    return StoreError(f"cannot write {path}: {error.strerror or error}; what was there before is untouched")
