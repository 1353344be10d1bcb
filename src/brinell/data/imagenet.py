"""ImageNet, or any part of it: photographs of any size, cut to one, from parquet files or a folder a class."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import torch
from PIL import Image
from pydantic import Field, model_validator

from brinell.core import DataError, NotInKey, file_digest
from brinell.data.dataset import Dataset
from brinell.data.reading.class_folders import check_same_classes, class_folder_names
from brinell.data.reading.decoding import check_pixels
from brinell.data.reading.files import read_regular
from brinell.data.reading.images import decode
from brinell.data.reading.parquet import find_parquet, read_parquet_images
from brinell.data.source import Source, check_split

_SPLITS: Final = {"train": ("train",), "test": ("validation", "val", "test"), "validation": ("validation", "val")}
"""The folders and files of a split, the first that exists. ImageNet's own test labels are secret: its validation images
are what everybody tests on."""

_SUFFIXES: Final = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}


class ImageNet(Source):
    """Photographs, their shorter side scaled to `resize` and the middle `size` x `size` pixels cut out.

    `root` holds `<split>*.parquet` files as on the Hugging Face hub, or `<split>/<class>/*.jpg`, the classes numbered
    in the order of their names. The training and the test split must have class folders of the same names, so that a
    number means the same class in both. Everything is held in memory, as bytes: 3 * size * size an image. An example's
    id is its index in the split.
    """

    kind = "imagenet"

    root: Annotated[Path | None, NotInKey()] = None
    """Folder of parquet files, or of `train/<class>/` and `val/<class>/`."""
    classes: int = Field(1000, ge=1)
    """Number of classes."""
    size: int = Field(224, ge=1)
    """Height and width of the central crop in pixels."""
    resize: int = Field(256, ge=1)
    """Length in pixels to which the shorter side is scaled before the crop."""

    @model_validator(mode="after")
    def _fits(self) -> ImageNet:
        if self.size > self.resize:
            raise ValueError(f"size {self.size} cannot be cut out of a shorter side of resize {self.resize}")
        return self

    def load(self, split: str) -> Dataset:
        """`train` or `validation`; `test` is the validation split."""
        check_split(split, tuple(_SPLITS))
        if self.root is None:
            raise DataError("data.root: missing; give the folder of the images (--set data.root=FOLDER)")
        if not self.root.is_dir():
            raise DataError(f"data.root: no folder at {self.root}")
        for name in _SPLITS[split]:
            if files := find_parquet(self.root, name):
                images, labels = read_parquet_images(files, ("image", "img"), (self.size, self.size), self._cut)
                return self._dataset(split, images, labels, files, [str(label) for label in range(self.classes)])
            if (self.root / name).is_dir():
                _check_same_classes(split, self.root, name)
                return self._from_folder(split, self.root / name)
        names = " or ".join(_SPLITS[split])
        raise DataError(f"data.root: {self.root} holds neither {names} parquet files nor a folder of that name")

    def _from_folder(self, split: str, folder: Path) -> Dataset:
        names = class_folder_names(folder)
        files = [
            path for name in names for path in sorted((folder / name).iterdir()) if path.suffix.lower() in _SUFFIXES
        ]
        numbers = {name: number for number, name in enumerate(names)}
        labels = np.array([numbers[path.parent.name] for path in files], dtype=np.int64)
        images = decode(_contents(files), len(files), (self.size, self.size), lambda row: str(files[row]), self._cut)
        return self._dataset(split, images, labels, files, names)

    def _cut(self, image: Image.Image) -> Image.Image:
        """The middle of the scaled image; an odd rest goes to the right and the bottom by halves rounded to even."""
        shorter = min(image.size)
        if shorter != self.resize:
            width, height = (max(self.resize, round(side * self.resize / shorter)) for side in image.size)
            check_pixels(width, max(height, image.size[1]))  # Pillow scales the width first
            image = image.resize((width, height), Image.Resampling.BILINEAR)
        left, top = (round((side - self.size) / 2) for side in image.size)
        return image.crop((left, top, left + self.size, top + self.size))

    def _dataset(
        self, split: str, images: np.ndarray, labels: np.ndarray, files: list[Path], names: list[str]
    ) -> Dataset:
        if not len(labels):
            raise DataError(f"imagenet/{split}: no examples in {self.root}")
        if labels.min() < 0 or labels.max() >= self.classes or len(names) != self.classes:
            found = f"{len(names)} classes and labels {labels.min()} to {labels.max()}"
            raise DataError(f"imagenet/{split}: expected {self.classes} classes, found {found}; set data.classes")
        content = [f"{self.size}/{self.resize}", *map(file_digest, files)]
        return Dataset(
            name=self.kind,
            split=split,
            images=torch.from_numpy(images),
            labels=torch.from_numpy(labels),
            ids=torch.arange(len(labels)),
            class_names=tuple(names),
            fingerprint=hashlib.sha256("".join(content).encode()).hexdigest(),
        )


def _check_same_classes(split: str, root: Path, name: str) -> None:
    """Refuse splits whose class folders differ: classes are numbered by name, so that one name more renumbers them.

    Raises:
        DataError: the folders that only one of the splits has.
    """
    own = class_folder_names(root / name)
    for names in (_SPLITS["train"], _SPLITS["test"]):
        other = next((found for found in names if find_parquet(root, found) or (root / found).is_dir()), name)
        if find_parquet(root, other):
            raise DataError(
                f"imagenet/{split}: {name} has class folders, and {other} has parquet files whose classes are numbers; "
                "give both splits in one form"
            )
        theirs = class_folder_names(root / other)
        if theirs and other != name:
            check_same_classes({name: own, other: theirs}, f"imagenet/{split}")


def _contents(files: list[Path]) -> Iterator[bytes]:
    for path in files:
        try:
            yield read_regular(path)
        except DataError as error:
            raise DataError(f"{path}: {error}") from error
