"""CIFAR-10 from parquet files, from the hub by name, or from its original binary files."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from pydantic import model_validator

from brinell.core import DataError, NotInKey, file_digest, require
from brinell.data.dataset import Dataset
from brinell.data.reading.images import decode
from brinell.data.reading.parquet import find_parquet, read_parquet_images
from brinell.data.source import Source, check_split

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_RECORD = 1 + 3 * 32 * 32


class Cifar10(Source):
    """50,000 training and 10,000 test images of 32 x 32 pixels in ten classes (Krizhevsky 2009).

    Exactly one of `root` (a folder: `<split>*.parquet` files as on the Hugging Face hub, or the original
    `cifar-10-batches-bin`) and `hub` (a data set's name there, such as `uoft-cs/cifar10`; needs `brinell[hub]`). An
    example's id is its place in the split.
    """

    kind = "cifar10"

    root: Annotated[Path | None, NotInKey()] = None
    """Folder of parquet files, or of `cifar-10-batches-bin`."""
    hub: Annotated[str | None, NotInKey()] = None
    """Name of a data set of the Hugging Face hub, in place of `root`."""

    @model_validator(mode="after")
    def _one_place(self) -> Cifar10:
        if self.root is not None and self.hub is not None:
            raise ValueError("root and hub exclude each other: give the folder or the hub's name")
        return self

    def load(self, split: str) -> Dataset:
        """`train` or `test`."""
        check_split(split, ("train", "test"))
        if self.hub is not None:
            return _from_hub(self.hub, split)
        if self.root is None:
            raise DataError("data.root: missing; give CIFAR-10's folder (--set data.root=FOLDER) or data.hub a name")
        if not self.root.is_dir():
            raise DataError(f"data.root: no folder at {self.root}")
        if files := find_parquet(self.root, split):
            return _from_parquet(files, split)
        return _from_binary(self.root, split)


def _from_parquet(files: list[Path], split: str) -> Dataset:
    images, labels = read_parquet_images(files, ("img", "image"), (32, 32))
    fingerprint = hashlib.sha256("".join(map(file_digest, files)).encode()).hexdigest()
    return _dataset(split, images, labels, fingerprint)


def _from_hub(name: str, split: str) -> Dataset:
    datasets = require("datasets", extra="hub", setting="hub")
    try:
        table = datasets.load_dataset(name, split=split)
        column = "img" if "img" in table.column_names else "image"
        table = table.cast_column(column, datasets.Image(decode=False))
        images = decode(
            (row["bytes"] for row in table[column]), len(table), (32, 32), lambda row: f"{name}: the image in row {row}"
        )
        labels = np.asarray(table["label"], dtype=np.int64)
    except DataError:
        raise
    except Exception as error:
        raise DataError(f"data.hub: cannot load {name!r} ({split}): {error}") from error
    return _dataset(split, images, labels, hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest())


def _from_binary(root: Path, split: str) -> Dataset:
    folder = root if list(root.glob("*_batch*.bin")) else root / "cifar-10-batches-bin"
    files = sorted(folder.glob("data_batch_*.bin" if split == "train" else "test_batch.bin"))
    if not files:
        _refuse(root, split)
    records = []
    for file in files:
        data = np.fromfile(file, dtype=np.uint8)
        if data.size == 0 or data.size % _RECORD:
            raise DataError(f"{file}: {data.size} bytes is no whole number of {_RECORD}-byte CIFAR-10 records")
        records.append(data.reshape(-1, _RECORD))
    table = np.concatenate(records)
    fingerprint = hashlib.sha256("".join(map(file_digest, files)).encode()).hexdigest()
    return _dataset(split, table[:, 1:].reshape(-1, 3, 32, 32), table[:, 0].astype(np.int64), fingerprint)


def _refuse(root: Path, split: str) -> None:
    pickled = [root, root / "cifar-10-batches-py"]
    if any((folder / "batches.meta").is_file() and list(folder.glob("data_batch_*")) for folder in pickled):
        raise DataError(
            f"data.root: {root} holds CIFAR-10's Python version, which is pickle and can run code when read; "
            "download the binary version (cifar-10-binary.tar.gz) instead"
        )
    raise DataError(f"data.root: {root} holds neither {split}*.parquet nor cifar-10-batches-bin")


def _dataset(split: str, images: np.ndarray, labels: np.ndarray, fingerprint: str) -> Dataset:
    if labels.size == 0:
        raise DataError(f"cifar10/{split}: no examples")
    if labels.min() < 0 or labels.max() > 9:
        raise DataError(f"cifar10/{split}: expected labels 0 to 9, found {labels.min()} to {labels.max()}")
    return Dataset(
        name="cifar10",
        split=split,
        images=torch.from_numpy(np.ascontiguousarray(images)),
        labels=torch.from_numpy(labels),
        ids=torch.arange(len(labels)),
        class_names=CLASSES,
        fingerprint=fingerprint,
    )
