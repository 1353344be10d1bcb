"""Data sets, one file each: images in [0, 1], labels, stable example ids, a fingerprint."""

from typing import Any

from brinell.core import Registry
from brinell.data.arrays import Arrays
from brinell.data.cifar10 import Cifar10
from brinell.data.common_size import common_size
from brinell.data.dataset import Dataset, check_images, from_tensors
from brinell.data.digits import Digits
from brinell.data.huggingface import HuggingFace
from brinell.data.image_files import ImageFiles
from brinell.data.imagenet import ImageNet
from brinell.data.reading.mapped_images import MappedImages
from brinell.data.source import Source

DATASETS: Registry[Source] = Registry(
    "data set", Digits, Cifar10, ImageNet, ImageFiles, HuggingFace, Arrays, group="brinell.datasets"
)


def build(kind: str, split: str = "train", examples: int | None = None, seed: int = 0, **fields: Any) -> Dataset:
    """Load one split of a data set.

    Args:
        kind: Name of a data set, as in `DATASETS`.
        split: `train` or `test`.
        examples: Number of examples, the first in an order that depends on `seed` only; by default all.
        seed: Seed of that order.
        fields: Settings of the data set, such as `root`.

    Returns:
        The split.

    Raises:
        ConfigurationError: Unknown kind, setting or split.
        DataError: The files are missing or damaged, or have fewer examples than requested.

    Examples:
        >>> import brinell
        >>> len(brinell.data.build("digits", split="test", examples=20))
        20
    """
    dataset = DATASETS[kind].parse(fields, kind).load(split)
    return dataset if examples is None else dataset.take(examples, seed)


__all__ = [
    "DATASETS",
    "Arrays",
    "Cifar10",
    "Dataset",
    "Digits",
    "HuggingFace",
    "ImageFiles",
    "ImageNet",
    "MappedImages",
    "Source",
    "build",
    "check_images",
    "common_size",
    "from_tensors",
]
