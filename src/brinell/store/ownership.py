"""Whether a folder is a run's, before anything is written to it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from brinell.core import StoreError
from brinell.store.layout import RUN, temporary_node
from brinell.store.lock import is_lock_file
from brinell.store.report_files import is_own_manifest
from brinell.store.safe_paths import exists, safe_path

_BEGINNING: Final = 1 << 16
"""Bytes of `study.json` that are read to recognise it."""
_FIELDS: Final = ('"name"', '"classes"', '"class_names"')
_SHOWN: Final = 3
"""Entries of a foreign folder that an error names."""
_FIRST: Final = {".lock", "study.yaml", "environment.json"}
"""What an earlier version of this tool wrote before `study.json`."""


def check_own_folder(root: Path) -> None:
    """See that a run may be written to `root`: it is missing or empty, a run, or a run that was killed at its start.

    A run is recognised by the beginning of its `study.json`, or by its `.lock`, so that a damaged plan does not make it
    a stranger's; the first thing a run writes to its folder is `.lock`, the second is `study.json`.

    Raises:
        StoreError: something else is in it, or it cannot be read. Nothing in it was touched.
    """
    names = _names(root)
    if not names or _has_own_study(root) or _is_interrupted(root, names):
        return
    has = "study.json that this tool did not write" if "study.json" in names else "no study.json"
    raise StoreError(
        f"{root} is not a run's folder: it holds {_listed(names)}, and {has}; nothing in it was touched. Accepted: a "
        "new or empty folder, or the folder of a run"
    )


def check_reported_folder(root: Path) -> None:
    """As `check_own_folder`, for a report: it may also be a folder of a run whose plan is damaged beyond recognition.

    Raises:
        StoreError: something else is in it, or there is no such folder.
    """
    names = _names(root)
    if names is None:
        raise StoreError(f"{root} is not a run's folder (it holds no study.json); `brinell run STUDY` makes one")
    if not ("study.json" in names and all(_is_ours(name) for name in names)):
        check_own_folder(root)


def _names(root: Path) -> list[str] | None:
    try:
        return sorted(path.name for path in root.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StoreError(f"cannot read {root}: {error.strerror}") from error


def _is_ours(name: str) -> bool:
    return name in RUN.named or temporary_node(RUN, name) is not None


def _has_own_study(root: Path) -> bool:
    if not exists(root, "study.json"):
        return False
    try:
        with safe_path(root, "study.json").open("rb") as file:
            beginning = file.read(_BEGINNING).decode(errors="replace").lstrip()
    except OSError as error:
        raise StoreError(f"cannot read {root / 'study.json'}: {error.strerror}") from error
    fields = all(re.search(rf"{name}\s*:", beginning) for name in _FIELDS)
    return (beginning.startswith("{") and fields) or _has_own_lock(root)


def _has_own_lock(root: Path) -> bool:
    return exists(root, ".lock") and is_lock_file(safe_path(root, ".lock"))


def _is_interrupted(root: Path, names: list[str]) -> bool:
    """Whether all there is can have been left by a run, or a report, that ended before `study.json` was written."""
    found = {name for name in names if temporary_node(RUN, name) is None}
    if found <= {".lock", "report"} and "report" in found:
        return is_own_manifest(root)
    if "report" in found and not is_own_manifest(root):
        return False
    if found == {".lock"} and not safe_path(root, ".lock").stat().st_size:
        return len(names) == 1  # killed between making the file and writing to it
    return found <= _FIRST | {"report"} and _has_own_lock(root)


def _listed(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(f"{name!r:.100}" for name in names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
