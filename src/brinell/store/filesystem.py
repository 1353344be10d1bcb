"""What lies in a folder, where Python's own answer to a place that it may not look into is an error or a plain no."""

from __future__ import annotations

import stat
from pathlib import Path

from brinell.core import StoreError


def is_file(path: Path) -> bool:
    """Whether there is a file.

    Raises:
        StoreError: the folder may not be looked into.
    """
    return _kind(path) == stat.S_IFREG


def is_folder(path: Path) -> bool:
    """Whether there is a folder.

    Raises:
        StoreError: the one above may not be looked into.
    """
    return _kind(path) == stat.S_IFDIR


def files_in(folder: Path, ending: str) -> list[Path]:
    """Files of a folder by their ending, in order; none where there is no such folder. Unfinished ones do not count.

    Raises:
        StoreError: the folder may not be read.
    """
    try:
        return sorted(path for path in folder.iterdir() if path.suffix == ending and not path.name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise StoreError(f"cannot read {folder}: {error.strerror}") from error


def _kind(path: Path) -> int | None:
    try:
        return stat.S_IFMT(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError, ValueError):  # a name may hold what no file's can
        return None
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}") from error
