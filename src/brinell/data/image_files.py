"""Image files of one's own: class folders, or a CSV file of paths and labels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from pydantic import Field, model_validator

from brinell.core import DataError, Fraction, NotInKey, content_key
from brinell.data.dataset import Dataset
from brinell.data.reading.class_folders import check_same_classes, class_folder_names
from brinell.data.reading.decoding import decode_image
from brinell.data.reading.files import cache_folder, check_regular, content_digests, read_regular
from brinell.data.reading.image_cache import OnError, cached_images
from brinell.data.reading.image_listing import Listing, class_order, has_images, list_csv, list_folder, number_classes
from brinell.data.resizing import ResizedSource
from brinell.data.source import check_split
from brinell.data.splits import SPLIT_NAMES
from brinell.data.stratified import stratified_mask


class ImageFiles(ResizedSource):
    """Photographs in folders: `root/train/<class>/*.jpg` and `root/val/<class>/*.jpg`, or `root/<class>/*.jpg`.

    Without folders of splits, and without a column of splits in `csv`, a share of every class is the test split.
    Classes are numbered in the order of their names, as torchvision does, or as `class_names` says. Images are decoded
    once, into a file of bytes in the folder `cache` (by default `BRINELL_CACHE`, or `~/.cache/brinell`), and read from
    there. An example's id is its index in the split's list of files.

    Example:
        `data: {kind: images, root: signs, size: 32}`
    """

    kind = "images"

    root: Annotated[Path | None, NotInKey()] = None
    """Folder of images, with one folder for each class."""
    csv: Annotated[Path | None, NotInKey()] = None
    """Columns of paths (relative to `root`, or to the file's own folder), of labels, and of splits if it has one."""
    test_share: Fraction = Field(0.2, gt=0, lt=1)
    """Of every class, where nothing tells the splits."""
    split_seed: int = Field(0, ge=0, lt=2**63)
    """Decides which examples `test_share` takes."""
    class_names: tuple[str, ...] | None = None
    """All classes in the order of their numbers, where a model numbers them otherwise than by name."""
    on_error: Annotated[OnError, NotInKey()] = "raise"
    """What becomes of a file that is no image: an error that names it, or a warning with their number."""
    cache: Annotated[Path | None, NotInKey()] = None
    """Folder for decoded images; by default the user's cache folder."""

    @model_validator(mode="after")
    def _names_differ(self) -> ImageFiles:
        if self.class_names is not None and len(set(self.class_names)) < len(self.class_names):
            raise ValueError(f"class_names names a class twice: {', '.join(self.class_names)}")
        return self

    def load(self, split: str) -> Dataset:
        """`train`, `validation` or `test`."""
        check_split(split, tuple(SPLIT_NAMES))
        csv = self.csv
        listing, class_names = self._list_folders(split) if csv is None else self._list_csv(csv, split)
        if not listing.files:
            raise DataError(f"data.root: {self.csv or self.root} has no images for the split {split!r}")
        class_names = self.class_names or class_names
        where = str(self.csv or self.root)
        return self._decode(split, listing, number_classes(listing.classes, class_names, where), class_names)

    def _list_folders(self, split: str) -> tuple[Listing, tuple[str, ...]]:
        if self.root is None:
            raise DataError("data.root: missing; give the folder of the images (--set data.root=FOLDER)")
        if not self.root.is_dir():
            raise DataError(f"data.root: no folder at {self.root}")
        found = {name: folder for name in SPLIT_NAMES if (folder := _split_folder(self.root, name)) is not None}
        if not found:
            listing = list_folder(self.root)
            return self._share(split, listing), tuple(class_folder_names(self.root))
        if split not in found:
            empty = [path.name for path in self.root.iterdir() if path.name.lower() in SPLIT_NAMES[split]]
            reason = f"; {empty[0]} holds no class folders" if empty else ""
            raise DataError(
                f"data.root: {self.root} has no folder {' or '.join(SPLIT_NAMES[split])} of classes{reason}"
            )
        classes = class_folder_names(found[split])
        for other in found.values():
            if self.class_names is None and other != found[split]:
                both = {found[split].name: classes, other.name: class_folder_names(other)}
                check_same_classes(both, f"images/{split}")
        return list_folder(found[split]), tuple(classes)

    def _list_csv(self, csv: Path, split: str) -> tuple[Listing, tuple[str, ...]]:
        listing = list_csv(csv, self.root)
        class_names = class_order(listing.classes)
        if listing.splits is None:
            return self._share(split, listing), class_names
        name = next((name for name in SPLIT_NAMES[split] if name in listing.splits), None)
        if name is None:
            known = ", ".join(sorted(set(listing.splits)))
            raise DataError(f"{csv}: no row is of the split {split!r}; splits: {known}")
        return listing.select(np.flatnonzero(np.array(listing.splits) == name)), class_names

    def _share(self, split: str, listing: Listing) -> Listing:
        check_split(split, ("train", "test"))
        if not listing.files:
            return listing
        labels = np.unique(np.array(listing.classes), return_inverse=True)[1]
        test = stratified_mask(listing.names, labels, self.test_share, self.split_seed)
        return listing.select(np.flatnonzero(test if split == "test" else ~test))

    def _decode(self, split: str, listing: Listing, labels: np.ndarray, class_names: tuple[str, ...]) -> Dataset:
        rows, absent = _present(listing, self.on_error)
        files, labels = [listing.files[row] for row in rows], labels[rows]
        folder = cache_folder(self.cache)
        content = [*zip(content_digests(files, folder), labels.tolist(), strict=True)]
        settings = self.identity()
        key = content_key("images", settings=settings, split=split, classes=class_names, content=content)
        found = cached_images(
            folder / "images" / key,
            (len(files), self.channels, *self.height_width),
            lambda: files,
            lambda path: self.fit(decode_image(read_regular(path), self.channels)),
            str,
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
            skipped=(*absent, *found.skipped),
        )


def _split_folder(root: Path, split: str) -> Path | None:
    """The folder of a split in `root`: one that holds folders, and no images itself, as a class does."""
    folders = {path.name.lower(): path for path in sorted(root.iterdir(), reverse=True) if path.is_dir()}
    for name in SPLIT_NAMES[split]:
        if name in folders and class_folder_names(folders[name]) and not has_images(folders[name]):
            return folders[name]
    return None


def _present(listing: Listing, on_error: OnError) -> tuple[np.ndarray, tuple[str, ...]]:
    """The rows of files that there are, and why the others are skipped."""
    rows: list[int] = []
    absent: list[str] = []
    for row, path in enumerate(listing.files):
        try:
            check_regular(path)
            rows.append(row)
        except DataError as error:
            if on_error == "raise":
                raise DataError(f"{error} (on_error: skip leaves such images out)") from error
            absent.append(str(error))
    return np.array(rows, dtype=np.int64), tuple(absent)
