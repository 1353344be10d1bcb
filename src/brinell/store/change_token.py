"""A value that changes when results of a run land, fail or are removed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from brinell.store.layout import FileNode
from brinell.store.safe_paths import exists, safe_path, walk_known_entries

_RESULTS: Final = ("variants", "trials", "probes", "failures")


def change_token(root: Path) -> frozenset[tuple[str, int]]:
    """Every finished result and the plan, each with its time of writing."""
    found = set()
    for path in _results(root):
        with suppress(OSError):  # removed since it was listed
            found.add((str(path.relative_to(root)), path.stat().st_mtime_ns))
    return frozenset(found)


def _results(root: Path) -> Iterator[Path]:
    """Finished files, and of variants their folders."""
    if exists(root, "study.json"):
        yield safe_path(root, "study.json")
    for folder in _RESULTS:
        for entry in walk_known_entries(root, folder):
            if not entry.temporary and isinstance(entry.node, FileNode) != (folder == "variants"):
                yield Path(entry.path)
