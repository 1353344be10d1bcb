"""Paths inside a run's folder: names that the layout knows, and no symbolic link, pipe or device on the way.

A run's folder may come from a stranger. Every path in it is made here, so that no name and no link in it can make
this tool read, write or delete outside of it. The folder itself may be reached through a link.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from brinell.core import StoreError
from brinell.store.layout import RUN, FileNode, FolderNode, Node, temporary_node

_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
    stat.S_IFREG: "a file",
}


@dataclass(frozen=True)
class Entry:
    """Something that this tool has made in a run's folder: a file, a folder, or a temporary one of either."""

    path: str
    node: Node
    temporary: bool


def safe_path(root: Path, *parts: str) -> Path:
    """`root/parts`, whether it exists or not.

    Raises:
        StoreError: a name is not of the pattern that its folder has; something on the way is a symbolic link; what
            stands there is no regular file where a file belongs, or no folder where a folder belongs.
    """
    return Path(_look(root, parts)[0])


def exists(root: Path, *parts: str) -> bool:
    """Whether the file or folder is there; raises as `safe_path` does."""
    return _look(root, parts)[1]


def walk_known_entries(root: Path, *parts: str) -> Iterator[Entry]:
    """Everything below `root/parts` that has a name of ours, folders before what they hold; the rest is passed over.

    Raises:
        StoreError: as `safe_path`, or a folder cannot be read.
    """
    node = _node(root, parts)
    place, found = _look(root, parts)
    if found and isinstance(node, FolderNode):
        yield from _walk(place, node)


def check_tree(root: Path, *parts: str) -> None:
    """See that everything below the folder `root/parts` is a regular file or a folder, whatever its name.

    Raises:
        StoreError: a symbolic link, a named pipe, a device or the like is in it.
    """
    place, found = _look(root, parts)
    waiting = [place] if found else []
    while waiting:
        try:
            with os.scandir(waiting.pop()) as listing:
                inside = list(listing)
        except OSError as error:
            raise StoreError(f"cannot read {place}: {error.strerror}") from error
        for entry in inside:
            if entry.is_dir(follow_symlinks=False):
                waiting.append(entry.path)
            elif not entry.is_file(follow_symlinks=False):
                _refuse(entry.path, FileNode())


def _walk(place: str, folder: FolderNode) -> Iterator[Entry]:
    try:
        with os.scandir(place) as listing:
            found = sorted(listing, key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):  # removed since its parent was listed, or a root that is none
        return
    except OSError as error:
        raise StoreError(f"cannot read {place}: {error.strerror}") from error
    for entry in found:
        node = folder.child(entry.name)
        if node is not None:
            if not _fits(entry, node):
                _refuse(entry.path, node)
            yield Entry(entry.path, node, temporary=False)
            if isinstance(node, FolderNode):
                yield from _walk(entry.path, node)
        elif (unfinished := temporary_node(folder, entry.name)) is not None and _fits(entry, unfinished):
            yield Entry(entry.path, unfinished, temporary=True)


def _fits(entry: os.DirEntry[str], node: Node) -> bool:
    if isinstance(node, FileNode):
        return entry.is_file(follow_symlinks=False)
    return entry.is_dir(follow_symlinks=False)


def _node(root: Path, parts: tuple[str, ...]) -> Node:
    node: Node = RUN
    for index, part in enumerate(parts):
        inner = node.child(part) if isinstance(node, FolderNode) else None
        if inner is None:
            above = "/".join(parts[:index]) or "the run"
            accepted = node.accepted() if isinstance(node, FolderNode) else "nothing"
            raise StoreError(f"{root}: {part!r:.200} is no name for an entry of {above}; accepted: {accepted}")
        node = inner
    return node


def _look(root: Path, parts: tuple[str, ...]) -> tuple[str, bool]:
    """The path, and whether something is there."""
    node: Node = RUN
    place, there = os.fspath(root), True
    for part in parts:
        inner = node.child(part) if isinstance(node, FolderNode) else None
        if inner is None:
            _node(root, parts)  # raises
            raise AssertionError(f"{parts} has no such entry")
        node, place = inner, f"{place}/{part}"
        if there and (mode := _mode(place)) is not None:
            wanted = stat.S_IFREG if isinstance(node, FileNode) else stat.S_IFDIR
            if stat.S_IFMT(mode) != wanted:
                _refuse(place, node)
        else:
            there = False
    return place, there


def _mode(place: str) -> int | None:
    try:
        return os.lstat(place).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StoreError(f"cannot read {place}: {error.strerror}") from error


def _refuse(place: str, node: Node) -> None:
    mode = _mode(place)
    if mode is None:  # gone again
        return
    wanted = "a file" if isinstance(node, FileNode) else "a folder"
    kind = stat.S_IFMT(mode)
    if kind == (stat.S_IFREG if isinstance(node, FileNode) else stat.S_IFDIR):
        return
    what = _KINDS.get(kind, "something else")
    if kind == stat.S_IFLNK:
        what += f" to {str(Path(place).readlink())!r:.200}"
        wanted += "; links inside a run's folder are not followed"
    raise StoreError(f"{place} is {what}, where a run has {wanted}; move it away")
