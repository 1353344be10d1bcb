"""Which image files there are, and of which class: from class folders, or from a CSV file."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from brinell.core import DataError
from brinell.data.reading.class_folders import class_folder_names, preview_names
from brinell.data.reading.files import check_regular

SUFFIXES: Final = frozenset(
    {".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".avif"}
)
"""Of files in class folders that are images; others (lists, notes, thumbnails) are not looked at."""

_NUMBER: Final = re.compile(r"([+-])?\d+(\.\d*)?")
_UNREADABLE: Final = frozenset({".heic", ".heif", ".jp2", ".dng", ".svg", ".eps", ".psd"})
"""Of images that cannot be decoded here: left out, they would be missed."""

_MOST_CSV_BYTES: Final = 1 << 30
_MOST_COLUMNS: Final = 4096
_LONGEST_LINE: Final = 1 << 20

_COLUMNS: Final = {
    "path": ("path", "file", "filename", "file_name", "filepath", "image", "image_path", "img"),
    "label": ("label", "class", "class_name", "category", "target"),
    "split": ("split", "set", "subset", "partition"),
}
"""Names of a CSV file's columns, in any case."""


@dataclass(frozen=True)
class Listing:
    """Files, in order, with their class names; `splits` where the list tells them."""

    files: tuple[Path, ...]
    classes: tuple[str, ...]
    """Of each file."""
    names: tuple[str, ...]
    """Of each file, without the folder that all are in."""
    splits: tuple[str, ...] | None = None

    def select(self, chosen: np.ndarray) -> Listing:
        """The files at `chosen`, indices in ascending order."""
        files, classes, names = ([field[row] for row in chosen] for field in (self.files, self.classes, self.names))
        return Listing(tuple(files), tuple(classes), tuple(names))


def list_folder(folder: Path) -> Listing:
    """The images in the class folders of `folder`, at any depth, in the order of their names.

    Raises:
        DataError: a folder cannot be read, or holds images of a format that is not decoded.
    """
    files: list[Path] = []
    classes: list[str] = []
    for name in class_folder_names(folder):
        found = _images(folder / name)
        files += found
        classes += [name] * len(found)
    names = tuple(path.relative_to(folder).as_posix() for path in files)
    return Listing(tuple(files), tuple(classes), names)


def _images(folder: Path) -> list[Path]:
    found: list[Path] = []

    def refuse(error: OSError) -> None:
        raise DataError(f"cannot read {error.filename}: {error.strerror}") from error

    for root, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            suffix = Path(name).suffix.lower()
            if suffix in _UNREADABLE:
                raise DataError(
                    f"{root}/{name}: images of format {suffix} are not read; accepted: {', '.join(sorted(SUFFIXES))}"
                )
            if suffix in SUFFIXES and not name.startswith("."):
                found.append(Path(root) / name)
    return found


def has_images(folder: Path) -> bool:
    """Whether images lie in the folder itself."""
    return any(path.suffix.lower() in SUFFIXES for path in folder.iterdir() if not path.is_dir())


def list_csv(path: Path, root: Path | None) -> Listing:
    """The files that a CSV file lists, relative to `root` or to the CSV file's own folder.

    Raises:
        DataError: the file cannot be read, or has no columns of paths and labels.
    """
    _check_csv(path, check_regular(path).st_size)
    try:
        table = pl.read_csv(path, infer_schema=False)
    except Exception as error:
        raise DataError(f"cannot read {path}: {' '.join(str(error).split())[:200]}") from error
    found = {role: _column(table, names) for role, names in _COLUMNS.items()}
    for role in ("path", "label"):
        if found[role] is None:
            wanted = ", ".join(_COLUMNS[role])
            raise DataError(f"{path}: no column of {role}s ({wanted}); found {', '.join(table.columns)}")
    columns = {role: table[name].to_list() for role, name in found.items() if name is not None}
    for role, values in columns.items():
        if None in values:
            raise DataError(f"{path}: row {values.index(None) + 2} has no {role}")
    _check_numbers(columns["label"], path)
    folder = path.parent if root is None else root
    files = tuple(folder / name for name in columns["path"])
    splits = tuple(name.strip().lower() for name in columns["split"]) if "split" in columns else None
    return Listing(files, tuple(label.strip() for label in columns["label"]), tuple(columns["path"]), splits)


def _check_numbers(labels: Sequence[str], path: Path) -> None:
    """Refuse numbers that are not whole, or negative: as words they would be numbered in another order."""
    numbers = [_NUMBER.fullmatch(label.strip()) for label in labels]
    odd = [row for row, found in enumerate(numbers, start=2) if found is not None and (found[1] or found[2])]
    if all(numbers) and odd:
        label = labels[odd[0] - 2]
        raise DataError(
            f"{path}: row {odd[0]}: the label {label!r} is no class; accepted: whole numbers from 0, or words"
        )


def _check_csv(path: Path, size: int) -> None:
    """Refuse a list that is too long, or whose first line has too many columns: each takes a kilobyte of memory."""
    if size > _MOST_CSV_BYTES:
        raise DataError(f"{path}: has {size:,} bytes; at most {_MOST_CSV_BYTES:,} are accepted")
    with path.open("rb") as file:
        columns = file.readline(_LONGEST_LINE).count(b",") + 1
    if columns > _MOST_COLUMNS:
        raise DataError(f"{path}: has {columns:,} columns or more; at most {_MOST_COLUMNS:,} are accepted")


def _column(table: pl.DataFrame, names: Sequence[str]) -> str | None:
    lower = {column.strip().lower(): column for column in reversed(table.columns)}
    return next((lower[name] for name in names if name in lower), None)


def class_order(labels: Sequence[str]) -> tuple[str, ...]:
    """Class names in the order of their numbers: labels that are whole numbers number the classes themselves."""
    distinct = set(labels)
    if all(label.isascii() and label.isdigit() and label == str(int(label)) for label in distinct):
        highest = max(map(int, distinct), default=-1)
        if highest < max(10 * len(distinct), 1000):
            return tuple(map(str, range(highest + 1)))
    return tuple(sorted(distinct))


def number_classes(found: Sequence[str], class_names: Sequence[str], where: str) -> np.ndarray:
    """The number of each example's class.

    Raises:
        DataError: a class is none of `class_names`.
    """
    numbers: Mapping[str, int] = {name: number for number, name in enumerate(class_names)}
    unknown = sorted(set(found) - set(numbers))
    if unknown:
        raise DataError(f"{where}: no class is called {preview_names(unknown)}; classes: {preview_names(class_names)}")
    return np.array([numbers[name] for name in found], dtype=np.int64)
