"""Folders that stand for classes: their names, numbered in order, must be the same in every split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from brinell.core import DataError

_LISTED: Final = 8
"""Names that an error lists of either side."""


def class_folder_names(folder: Path) -> list[str]:
    """Names of the class folders, ascending; hidden folders, which tools leave behind, are no classes."""
    return sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def check_same_classes(classes: Mapping[str, Sequence[str]], where: str) -> None:
    """Refuse two splits (name to class names) whose classes differ: a number would mean another class in each.

    Raises:
        DataError: the names that only one of the splits has.
    """
    (first, own), (second, other) = classes.items()
    if set(own) == set(other):
        return
    sides = {first: set(own) - set(other), second: set(other) - set(own)}
    differences = "; ".join(
        f"only in {split}: {preview_names(sorted(names))}" for split, names in sides.items() if names
    )
    raise DataError(
        f"{where}: the class folders of {first} and {second} differ ({differences}); classes are numbered by name, so "
        "both splits need folders of the same names, empty ones where a class has no images"
    )


def preview_names(names: Sequence[str]) -> str:
    """The first few names, quoted, and how many more there are."""
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(map(repr, names[:_LISTED])) + more
