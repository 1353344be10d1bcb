"""Checkpoints of a variant in the making: each holds its content hash, and what is damaged is not gone on from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from brinell.core import StoreError
from brinell.store.content_hash import content_hash_fits
from brinell.store.layout import FileNode
from brinell.store.safe_paths import walk_known_entries


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
        (root / place).unlink(missing_ok=True)
