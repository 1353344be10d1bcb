"""Images and labels as arrays: `.npz`, `.npy` and `.safetensors`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

import numpy as np
import torch
from pydantic import Field

from brinell.core import DataError, Fraction, NotInKey, content_key
from brinell.data.dataset import Dataset
from brinell.data.reading.array_files import Array, ArrayArchive, open_archive
from brinell.data.reading.files import cache_folder, content_digests
from brinell.data.reading.image_cache import cached_images
from brinell.data.resizing import check_labels
from brinell.data.source import Source, check_split
from brinell.data.splits import SPLIT_NAMES
from brinell.data.stratified import stratified_mask

Layout = Literal["auto", "nchw", "nhwc", "nhw"]

_IMAGES: Final = ("images", "x", "data", "image")
_LABELS: Final = ("labels", "y", "label", "targets", "target")
_PATTERNS: Final = ("{split}_{name}", "{name}_{split}", "{split}.{name}", "{split}/{name}")
_SMALL: Final = 1 << 26
"""Bytes of an array of labels or names."""
_MOST_PIXELS: Final = 1 << 24


@dataclass(frozen=True)
class _Pair:
    """The arrays of a split; `whole`: of all examples, so that a share of them is the split."""

    archive: ArrayArchive
    images: Array
    labels: Array
    whole: bool


class Arrays(Source):
    """Images as bytes, as 16-bit numbers or as floats in [0, 1], and whole numbers as labels.

    `root` is a file or a folder. A file holds `images` and `labels` (or `x` and `y`), from which a share of every class
    is taken as the test split, or `train_images`, `train_labels`, `test_images`, `test_labels` (or `x_train`, ...). A
    folder holds one such file a split (`train.npz`, `test.npz`), or `.npy` files of those names. An example's id is its
    index in the arrays.

    Example:
        `data: {kind: arrays, root: pathmnist.npz}`
    """

    kind = "arrays"

    root: Annotated[Path | None, NotInKey()] = None
    """File or folder of the arrays."""
    images: str | None = None
    """The array's name, where it is another; `{split}` in it stands for the split."""
    labels: str | None = None
    """Name of the array of labels; `{split}` stands for the split."""
    layout: Layout = "auto"
    """Order of the axes: number, channels, height, width. By default found where only one of two axes has 1 or 3."""
    class_names: tuple[str, ...] | None = None
    """By default those of an array `class_names`, or numbers."""
    test_share: Fraction = Field(0.2, gt=0, lt=1)
    """Share of each class in the test split, if the files define no splits."""
    split_seed: int = Field(0, ge=0, lt=2**63)
    """Seed that selects the examples of `test_share`."""
    cache: Annotated[Path | None, NotInKey()] = None
    """Folder for decoded images; by default the user's cache folder."""

    def load(self, split: str) -> Dataset:
        """`train`, `validation` or `test`."""
        check_split(split, tuple(SPLIT_NAMES))
        if self.root is None:
            raise DataError("data.root: missing; give the file or folder of the arrays (--set data.root=FILE)")
        if not self.root.exists():
            raise DataError(f"data.root: nothing at {self.root}")
        pair = self._find(self.root, split)
        if pair is None:
            raise DataError(
                f"data.root: {self.root} holds no arrays (.npz, .npy, .safetensors) of images and labels for "
                f"{split!r}; data.images and data.labels name them"
            )
        labels = _read_labels(pair)
        rows = np.arange(len(labels))
        if pair.whole:
            check_split(split, ("train", "test"))
            test = stratified_mask(list(map(str, rows)), labels, self.test_share, self.split_seed)
            rows = np.flatnonzero(test if split == "test" else ~test)
        if not len(rows):
            raise DataError(f"{pair.images}: no examples for the split {split!r}")
        class_names = self._class_names(self.root, pair, labels)
        check_labels(labels, len(class_names), str(pair.labels))
        return self._dataset(split, pair, rows, labels[rows], class_names)

    def _dataset(
        self, split: str, pair: _Pair, rows: np.ndarray, labels: np.ndarray, class_names: tuple[str, ...]
    ) -> Dataset:
        shape = self._shape(pair.images)
        folder = cache_folder(self.cache)
        content = content_digests(pair.archive.files([pair.images.name, pair.labels.name]), folder)
        names = [pair.images.name, pair.labels.name, *class_names]
        key = content_key("arrays", settings=self.identity(), split=split, names=names, content=content)
        wanted = set(rows.tolist())
        found = cached_images(
            folder / "images" / key,
            (len(rows), *shape),
            lambda: (item for item in enumerate(pair.images.rows()) if item[0] in wanted),
            lambda item: _levels(item[1], shape, channels_last=self._channels_last(pair.images)),
            lambda item: f"{pair.images}: row {item[0]}",
            None,
        )
        return Dataset(
            name=self.kind,
            split=split,
            images=found.images,
            labels=torch.from_numpy(labels),
            ids=torch.from_numpy(rows),
            class_names=class_names,
            fingerprint=key,
        )

    def _find(self, root: Path, split: str) -> _Pair | None:
        for name in SPLIT_NAMES[split]:
            for suffix in (".npz", ".safetensors"):
                if root.is_dir() and (root / f"{name}{suffix}").exists():
                    archive = open_archive(root / f"{name}{suffix}")
                    if archive is not None and (pair := self._pair(archive, name)) is not None:
                        return _Pair(*pair, whole=False)
        archive = open_archive(root)
        if archive is None:
            return None
        for name in SPLIT_NAMES[split]:
            if (pair := self._pair(archive, name, split_only=True)) is not None:
                return _Pair(*pair, whole=False)
        pair = self._pair(archive, "")
        return None if pair is None else _Pair(*pair, whole=True)

    def _pair(
        self, archive: ArrayArchive, split: str, split_only: bool = False
    ) -> tuple[ArrayArchive, Array, Array] | None:
        names = {name.lower(): name for name in archive.names()}
        found = []
        for chosen, usual in ((self.images, _IMAGES), (self.labels, _LABELS)):
            candidates = [pattern.format(split=split, name=name) for name in usual for pattern in _PATTERNS if split]
            candidates += [] if split_only else usual
            if chosen is not None:
                candidates = [chosen.replace("{split}", split)] if "{split}" in chosen or not split_only else []
            found.append(next((names[name.lower()] for name in candidates if name.lower() in names), None))
        images, labels = found
        return None if images is None or labels is None else (archive, archive.open(images), archive.open(labels))

    def _class_names(self, root: Path, pair: _Pair, labels: np.ndarray) -> tuple[str, ...]:
        if self.class_names is not None:
            return self.class_names
        if "class_names" in pair.archive.names():
            names = pair.archive.open("class_names")
            if names.dtype.kind in "US" and len(names.shape) == 1:
                return tuple(map(str, names.values(_SMALL).astype(str)))
        every = [labels]  # one split alone may lack the last class
        if not pair.whole:
            every += [_read_labels(other) for name in SPLIT_NAMES if (other := self._find(root, name)) is not None]
        return tuple(map(str, range(max(int(part.max(initial=-1)) for part in every) + 1)))

    def _channels_last(self, images: Array) -> bool:
        if len(images.shape) != 4 or self.layout != "auto":
            return self.layout == "nhwc"
        first, last = (images.shape[axis] in (1, 3) for axis in (1, 3))
        if first == last:
            raise DataError(f"{images}: {images.shape} may be in two orders; set data.layout to nchw or nhwc")
        return last

    def _shape(self, images: Array) -> tuple[int, int, int]:
        """(channels, height, width)."""
        shape = images.shape
        if len(shape) != (3 if self.layout == "nhw" else 4) and not (self.layout == "auto" and len(shape) == 3):
            raise DataError(f"{images}: expected (N, channels, height, width) or (N, height, width), not {shape}")
        if len(shape) == 3:
            channels, height, width = 1, *shape[1:]
        elif self._channels_last(images):
            height, width, channels = shape[1:]
        else:
            channels, height, width = shape[1:]
        if min(channels, height, width) < 1 or channels * height * width > _MOST_PIXELS:
            raise DataError(f"{images}: images of {channels} x {height} x {width} are not accepted")
        return (channels, height, width)


def _read_labels(pair: _Pair) -> np.ndarray:
    shape = pair.labels.shape
    count = pair.images.shape[0] if pair.images.shape else 0
    if pair.labels.dtype.kind not in "iu" or shape not in ((count,), (count, 1)):
        raise DataError(
            f"{pair.labels}: expected {count} whole numbers, one an image, not {shape} of {pair.labels.dtype}"
        )
    return pair.labels.values(_SMALL).reshape(-1).astype(np.int64)


def _levels(image: np.ndarray, shape: tuple[int, int, int], *, channels_last: bool) -> np.ndarray:
    """The bytes `(channels, height, width)` of one image.

    Raises:
        DataError: its numbers are no bytes, no 16-bit numbers and no floats in [0, 1].
    """
    pixels = image.transpose(2, 0, 1) if channels_last else image.reshape(shape)
    if pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype == np.uint16:
        return ((pixels.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    if pixels.dtype.kind != "f":
        raise DataError(f"expected images of uint8, uint16 or floats in [0, 1], not {pixels.dtype}")
    low, high = float(pixels.min()), float(pixels.max())
    if not (low >= 0 and high <= 1):
        raise DataError(
            f"expected floats in [0, 1], found {low:.4g} to {high:.4g}; save bytes as uint8, and leave the "
            "normalisation to the model's mean and std"
        )
    return np.rint(pixels.astype(np.float64) * 255).astype(np.uint8)
