"""Removing what a killed writer of a run left half-written and what is damaged in its checkpoints, and nothing else."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from brinell.core import StoreError
from brinell.store.atomic import remove_file
from brinell.store.content_hash import content_hash_fits
from brinell.store.layout import FileNode, FolderNode, temporary_node
from brinell.store.safe_paths import Entry, walk_known_entries


def check_known_entries(root: Path) -> None:
    """See that everything in the run's folder that has a name of ours is a file or folder as it should be.

    Raises:
        StoreError: a symbolic link, a named pipe, a device or the like stands in its place.
    """
    deque(walk_known_entries(root), maxlen=0)


def sweep(root: Path) -> None:
    """Remove temporary files and folders of killed writers, and notes on tasks that were running.

    Only names that this tool makes are removed, in the folders of a run that it makes them in. Only the run's one
    writer (the holder of the lock) may call this.
    """
    for entry in list(walk_known_entries(root)):
        if entry.temporary:
            _remove(entry)
    remove_known(root, "scratch", "running")


def remove_known(root: Path, *parts: str) -> None:
    """Remove the folder `root/parts`; what has no name of ours in it stays, and so do the folders that hold it."""
    found = list(walk_known_entries(root, *parts))
    for entry in reversed(found):
        _remove(entry)
    with suppress(OSError):  # it is not there, or not empty
        Path(root, *parts).rmdir()


def damaged_checkpoints(root: Path, key: str) -> Iterator[str]:
    """Checkpoints of the variant whose content is not what was written, by their paths in the run.

    The hash is over the file's name and bytes, not its place in the run: `fit` writes the same file outside of runs,
    and a checkpoint of another training is recognised by its identity.

    Raises:
        StoreError: one cannot be read, or a link or the like stands in its place.
    """
    for entry in walk_known_entries(root, "scratch", key):
        if isinstance(entry.node, FileNode) and not entry.temporary:
            path = Path(entry.path)
            try:
                data = path.read_bytes()
            except OSError as error:
                raise StoreError(f"cannot read {path}: {error.strerror or error}") from error
            if not content_hash_fits(data, path.name):
                yield path.relative_to(root).as_posix()


def remove_damaged_checkpoints(root: Path, key: str) -> None:
    """Remove them, so that what they were of begins again."""
    for place in list(damaged_checkpoints(root, key)):
        remove_file(root / place)


def _remove(entry: Entry) -> None:
    with suppress(OSError):  # it is gone already, or holds what is not ours
        if isinstance(entry.node, FileNode):
            Path(entry.path).unlink()
        elif entry.temporary:
            _remove_unfinished(entry.path, entry.node)
        else:
            Path(entry.path).rmdir()


def _remove_unfinished(place: str, folder: FolderNode) -> None:
    """A temporary folder: its files, and those that were being written in it."""
    for path in list(Path(place).iterdir()):
        if folder.child(path.name) or temporary_node(folder, path.name):
            path.unlink()
    Path(place).rmdir()
