"""What a run's folder may hold: the names of its files and folders, and of the temporary files beside them."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from brinell.core.keys import BLOCK_PATTERN, KEY_PATTERN

TEMPORARY: Final = ".tmp-"
"""Prefix of names that are not yet whole; readers skip them and the next writer removes those that this tool made."""
_OWN_TEMPORARY: Final = re.compile(r"\.tmp-(?:brinell-[0-9]+-[0-9a-f]{16}|[0-9]+-[0-9a-f]{8})-(?P<name>.+)", re.DOTALL)
"""The second form is that of versions before 0.2."""


@dataclass(frozen=True)
class FileNode:
    """A regular file."""


@dataclass(frozen=True)
class FolderNode:
    """A folder: entries by their exact names, and entries that are named by a key."""

    named: Mapping[str, Node] = field(default_factory=dict)
    pattern: re.Pattern[str] | None = None
    """What the other names match."""
    each: Node = field(default_factory=FileNode)
    """What an entry whose name matches `pattern` is."""
    expected: str = ""
    """`pattern` in words, for an error."""
    files: re.Pattern[str] | None = None
    """What names of further files match."""

    def child(self, name: str) -> Node | None:
        """What an entry of this name is; `None` for a name that this tool never writes here."""
        if (node := self.named.get(name)) is not None:
            return node
        if self.pattern is not None and self.pattern.fullmatch(name):
            return self.each
        return FileNode() if self.files is not None and self.files.fullmatch(name) else None

    def accepted(self) -> str:
        """The names that are accepted, in words."""
        return " or ".join(filter(None, (", ".join(self.named), self.expected)))


Node = FileNode | FolderNode

_FILE: Final = FileNode()
_KEY: Final = re.compile(KEY_PATTERN)
NAMED_VARIANT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_+-]{0,120}\.brinell")
"""A variant's file under the variant's name, beside the folders that keys name."""

_EXHIBIT: Final = FolderNode(
    pattern=re.compile(r"[A-Za-z0-9+_-][A-Za-z0-9.+_-]{0,120}\.(?:svg|pdf|csv|tex)"),
    expected="a figure's or table's name, ending in .svg, .pdf, .csv or .tex",
)


def _by_key(ending: str = "", each: Node = _FILE) -> FolderNode:
    """Entries named by a key and an ending."""
    expected = f"a key of 20 hexadecimal digits{f' and {ending}' if ending else ''}"
    return FolderNode(pattern=re.compile(KEY_PATTERN + re.escape(ending)), each=each, expected=expected)


def _by_task(*endings: str, named: Mapping[str, Node] | None = None) -> FolderNode:
    """Entries named by a task, which is a key, or a trial's key and a block's name."""
    ending = "|".join(map(re.escape, endings))
    pattern = re.compile(rf"{KEY_PATTERN}(?:\.{BLOCK_PATTERN})?(?:{ending})")
    return FolderNode(named or {}, pattern, expected=f"a task's name and {endings[0]}")


def _checkpoints(depth: int) -> FolderNode:
    """A training's checkpoint, a search's result, and the same of its stages in folders inside."""
    files: dict[str, Node] = {"training.safetensors": _FILE, "amc.json": _FILE}
    if not depth:
        return FolderNode(files)
    return FolderNode(files, re.compile(r"[0-9]{2,6}|[a-z][a-z0-9_]{0,60}"), _checkpoints(depth - 1), "a stage's name")


_VARIANT: Final = FolderNode(
    dict.fromkeys(
        ("variant.brinell", "latent.safetensors", "costs.json", "figures.json", "training.parquet", "manifest.json"),
        _FILE,
    )
)
_BLOCKS: Final = FolderNode(
    {"merged.parquet": _FILE}, re.compile(rf"{BLOCK_PATTERN}\.parquet"), expected="a block's name and .parquet"
)
_RUNNING: Final = _by_task(".json", ".new", named={"left": _FILE, "left.new": _FILE})
RUN: Final = FolderNode(
    {
        ".lock": _FILE,
        "study.json": _FILE,
        "study.yaml": _FILE,
        "environment.json": _FILE,
        "unhashed.json": _FILE,
        "variants": replace(_by_key(each=_VARIANT), files=NAMED_VARIANT),
        "trials": _by_key(each=_BLOCKS),
        "traces": _by_key(each=_BLOCKS),
        "probes": _by_key(".json"),
        "arrays": _by_key(".npz"),
        "failures": _by_task(".json"),
        "scratch": FolderNode({"running": _RUNNING}, _KEY, _checkpoints(3), "a key of 20 hexadecimal digits"),
        "report": FolderNode({"index.html": _FILE, "manifest.json": _FILE, "figures": _EXHIBIT, "tables": _EXHIBIT}),
    }
)
"""The root of a run."""


def temporary_name(name: str) -> str:
    """A name beside `name` for what is not whole yet; no two calls give the same."""
    return f"{TEMPORARY}brinell-{os.getpid()}-{uuid.uuid4().hex[:16]}-{name[-100:]}"


def temporary_node(folder: FolderNode, name: str) -> Node | None:
    """What `name` is the temporary file or folder of; `None` where this tool would not have made it in `folder`."""
    found = _OWN_TEMPORARY.fullmatch(name)
    return None if found is None else folder.child(found["name"])
