"""Handwritten digits that come with scikit-learn: the embedded default, real images without a download."""

from __future__ import annotations

import hashlib

import numpy as np
import torch

from brinell.core import derive_seed
from brinell.data.dataset import Dataset
from brinell.data.source import Source, check_split

_TEST = 500


class Digits(Source):
    """1,797 grey images of 8 x 8 pixels with 17 levels (UCI optical recognition, test part): 1,297 train, 500 test.

    Examples:
        >>> import brinell
        >>> brinell.data.build("digits", split="test").tensors()[0].shape
        torch.Size([500, 1, 8, 8])
    """

    kind = "digits"

    def load(self, split: str) -> Dataset:
        """`train` or `test`, a fixed random division of the one set there is."""
        check_split(split, ("train", "test"))
        from sklearn.datasets import load_digits

        images, labels = load_digits(return_X_y=True)
        levels = np.rint(images * (255 / 16)).astype(np.uint8).reshape(-1, 1, 8, 8)
        generator = torch.Generator().manual_seed(derive_seed(0, "digits/split"))
        order = torch.randperm(len(labels), generator=generator)
        chosen = order[:_TEST] if split == "test" else order[_TEST:]
        everything = Dataset(
            name=self.kind,
            split=split,
            images=torch.from_numpy(levels),
            labels=torch.from_numpy(labels.astype(np.int64)),
            ids=torch.arange(len(labels)),
            class_names=tuple(map(str, range(10))),
            fingerprint=hashlib.sha256(levels.tobytes() + labels.astype("<i8").tobytes()).hexdigest(),
        )
        return everything.subset(chosen.sort().values)
