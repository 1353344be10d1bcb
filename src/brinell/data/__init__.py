"""Data sets, one file each: images in [0, 1], labels, stable example ids, a fingerprint."""

from typing import Any

from brinell.core import Registry
from brinell.data.arrays import Arrays
from brinell.data.cifar10 import Cifar10
from brinell.data.dataset import Dataset, check_images, from_tensors
from brinell.data.digits import Digits
from brinell.data.huggingface import HuggingFace
from brinell.data.image_files import ImageFiles
from brinell.data.imagenet import ImageNet
from brinell.data.mapped_images import MappedImages
from brinell.data.source import Source

DATASETS: Registry[Source] = Registry("data set", Digits, Cifar10, ImageNet, ImageFiles, HuggingFace, Arrays)


def build(kind: str, split: str = "train", examples: int | None = None, seed: int = 0, **fields: Any) -> Dataset:
    """One split of a data set; with `examples`, the first so many of an order that only `seed` decides.

    Raises:
        ConfigurationError: an unknown kind, field or split.
        DataError: the files are missing or damaged, or hold fewer examples than asked for.
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
    "from_tensors",
]
