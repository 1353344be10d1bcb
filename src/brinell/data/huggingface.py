"""Data sets with an image and a label column, as the Hugging Face hub has them: by name, or from parquet files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import torch
from pydantic import Field, model_validator

from brinell.core import DataError, Fraction, NotInKey, content_key
from brinell.data.dataset import Dataset
from brinell.data.reading.decoding import decode_image
from brinell.data.reading.files import cache_folder, content_digests
from brinell.data.reading.image_cache import OnError, cached_images
from brinell.data.reading.image_listing import class_order, number_classes
from brinell.data.reading.image_table import HubTable, ImageTable, ParquetTable, find_column, hub_splits
from brinell.data.resizing import ResizedSource, check_labels
from brinell.data.source import check_split
from brinell.data.splits import SPLIT_NAMES
from brinell.data.stratified import stratified_mask

_IMAGES: Final = ("image", "img")
_LABELS: Final = ("label", "labels", "fine_label", "class")


class HuggingFace(ResizedSource):
    """Any data set with a column of images and one of labels.

    `name` is a data set of the hub (needs `brinell[hub]`), or `root` a folder of `<split>*.parquet` files, in itself,
    in `data` or in a folder of the split. Class names come from the data set. Labels that are words are numbered in
    their order over all splits. Without a test split a share of every class is taken off the training split. Images are
    decoded once, as those of `kind: images`. An example's id is its row in the split.

    Example:
        `data: {kind: huggingface, name: zalando-datasets/fashion_mnist, size: 28, channels: 1}`
    """

    kind = "huggingface"

    root: Annotated[Path | None, NotInKey()] = None
    """Folder of parquet files."""
    name: Annotated[str | None, NotInKey()] = None
    """Name of a data set of the Hugging Face hub, in place of `root`."""
    subset: str | None = None
    """Of a data set that has several."""
    image_column: str | None = None
    """By default `image` or `img`, or the only column of images."""
    label_column: str | None = None
    """By default `label`, `labels`, `fine_label` or `class`, or the only column of whole numbers or words."""
    test_share: Fraction = Field(0.2, gt=0, lt=1)
    """Share of each class in the test split, if the data set has no splits."""
    split_seed: int = Field(0, ge=0, lt=2**63)
    """Seed that selects the examples of `test_share`."""
    class_names: tuple[str, ...] | None = None
    """All classes in the order of their numbers; by default those of the data set."""
    on_error: Annotated[OnError, NotInKey()] = "raise"
    """Raise an error for an unreadable image, or skip it."""
    cache: Annotated[Path | None, NotInKey()] = None
    """Folder for decoded images; by default the user's cache folder."""

    @model_validator(mode="after")
    def _one_place(self) -> HuggingFace:
        if self.root is not None and self.name is not None:
            raise ValueError("root and name exclude each other: give the folder or the hub's name")
        return self

    def load(self, split: str) -> Dataset:
        """`train`, `validation` or `test`."""
        check_split(split, tuple(SPLIT_NAMES))
        tables = self._tables()
        if split in tables:
            table, shared = tables[split], False
        elif "train" in tables and split == "test":
            table, shared = tables["train"], True
        else:
            raise DataError(
                f"data: {self.root or self.name} has no split {split!r}; splits: {', '.join(tables) or 'none'}"
            )
        shared = shared or (split == "train" and "test" not in tables)
        columns = table.columns()
        image = self._column(table, columns, ("image",), _IMAGES, self.image_column, "image")
        label = self._column(table, columns, ("integer", "text"), _LABELS, self.label_column, "label")
        labels, class_names = self._labels(tables, table, label, columns[label])
        rows = np.arange(len(labels))
        if shared:
            test = stratified_mask(list(map(str, rows)), labels, self.test_share, self.split_seed)
            rows = np.flatnonzero(test if split == "test" else ~test)
        if not len(rows):
            raise DataError(f"{table.where}: no examples for the split {split!r}")
        return self._dataset(split, table, image, rows, labels[rows], class_names)

    def _tables(self) -> dict[str, ImageTable]:
        """By split, as far as there are any."""
        if self.name is not None:
            found: Mapping[str, Any] = hub_splits(self.name, self.subset)
            known = {split: [name for name in names if name in found] for split, names in SPLIT_NAMES.items()}
            return {
                split: HubTable(f"{self.name} ({names[0]})", found[names[0]]) for split, names in known.items() if names
            }
        root = self.root
        if root is None:
            raise DataError("data.root: missing; give a folder of parquet files, or data.name a data set of the hub")
        if not root.is_dir():
            raise DataError(f"data.root: no folder at {root}")
        paths = {split: _parquet_files(root, names) for split, names in SPLIT_NAMES.items()}
        if not any(paths.values()):
            paths = {"train": sorted(root.glob("*.parquet"))}
        return {split: ParquetTable(str(files[0]), tuple(files)) for split, files in paths.items() if files}

    def _column(
        self,
        table: ImageTable,
        columns: dict[str, str],
        kinds: tuple[str, ...],
        usual: tuple[str, ...],
        chosen: str | None,
        role: str,
    ) -> str:
        name = find_column(columns, kinds, usual, chosen)
        if name is None:
            found = ", ".join(f"{column} ({kind})" for column, kind in columns.items()) or "none"
            asked = f"the column {chosen!r} holds none" if chosen is not None else f"data.{role}_column names it"
            raise DataError(f"{table.where}: expected one column of {role}s; {asked}; columns: {found}")
        return name

    def _labels(
        self, tables: Mapping[str, ImageTable], table: ImageTable, column: str, kind: str
    ) -> tuple[np.ndarray, tuple[str, ...]]:
        labels = table.labels(column)
        if None in labels:
            raise DataError(f"{table.where}: row {labels.index(None)} has no label")
        if kind == "text":
            every = [label for other in tables.values() for label in other.labels(column) if label is not None]
            names = self.class_names or class_order(every)
            return number_classes(labels, names, table.where), names
        numbers = np.array(labels, dtype=np.int64)
        names = self.class_names or table.class_names(column) or ()
        if not names:
            highest = max(max(other.labels(column), default=-1) for other in tables.values())
            names = tuple(map(str, range(highest + 1)))
        check_labels(numbers, len(names), table.where)
        return numbers, names

    def _dataset(
        self,
        split: str,
        table: ImageTable,
        column: str,
        rows: np.ndarray,
        labels: np.ndarray,
        class_names: tuple[str, ...],
    ) -> Dataset:
        folder = cache_folder(self.cache)
        content = content_digests(table.files(), folder) if table.files() else _digests(table.images(column))
        named = [column, labels.tolist(), *class_names]
        key = content_key("huggingface", settings=self.identity(), split=split, named=named, content=content)
        wanted = set(rows.tolist())
        found = cached_images(
            folder / "images" / key,
            (len(rows), self.channels, *self.height_width),
            lambda: (item for item in enumerate(table.images(column)) if item[0] in wanted),
            lambda item: self.fit(decode_image(_encoded(item[1]), self.channels)),
            lambda item: table.image_name(item[0]),
            self.on_error,
        )
        return Dataset(
            name=self.kind,
            split=split,
            images=found.images,
            labels=torch.from_numpy(labels[found.kept]),
            ids=torch.from_numpy(rows[found.kept]),
            class_names=class_names,
            fingerprint=content_key("split", key=key, rows=rows[found.kept].tolist()),
            skipped=found.skipped,
        )


def _parquet_files(root: Path, names: tuple[str, ...]) -> list[Path]:
    for name in names:
        for folder in (root, root / "data", root / "plain_text"):
            if files := sorted([*folder.glob(f"{name}*.parquet"), *(folder / name).glob("*.parquet")]):
                return files
    return []


def _encoded(data: bytes | None) -> bytes:
    if data is None:
        raise DataError("is not in the table")
    return data


def _digests(images: Any) -> list[str]:
    return [hashlib.sha256(_encoded(data)).hexdigest() for data in images]
