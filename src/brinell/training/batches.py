"""Batches of a split in memory: their order, their sizes, and how their images are moved about."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from brinell.core import derive_seed
from brinell.data import Dataset
from brinell.training.batch import Batch
from brinell.training.settings import Train


@dataclass(frozen=True)
class Batches:
    """The batches of every epoch: a pure function of the split, the settings and the seed.

    Every example is seen once an epoch. Batch sizes are equal or differ by one (and so may lie a little under
    `batch_size`): a small last batch would weigh its examples more than the others', and one of a single example
    has no variance for batch norm.
    """

    data: Dataset
    train: Train
    seed: int

    def __len__(self) -> int:
        return max(1, min(-(-len(self.data) // self.train.batch_size), len(self.data) // 2))

    def epoch(self, epoch: int, start: int = 0, channels_last: bool = False) -> Iterator[Batch]:
        """The batches of `epoch` from number `start` on, on the data's device."""
        generator = torch.Generator().manual_seed(derive_seed(self.seed, "order", epoch))
        order = torch.randperm(len(self.data), generator=generator).to(self.data.labels.device)
        layout = torch.channels_last if channels_last else torch.contiguous_format
        for number, chosen in enumerate(torch.tensor_split(order, len(self))):
            if number >= start:
                images = self.data.images[chosen.to(self.data.images.device)].to(chosen.device)
                images = self._augmented(images, epoch, number)
                images = images.to(torch.float32, memory_format=layout) / 255
                yield Batch(images, self.data.labels[chosen], self.data.ids[chosen], epoch, number)

    def _augmented(self, images: Tensor, epoch: int, number: int) -> Tensor:
        if self.train.augment == "none":
            return images
        generator = torch.Generator().manual_seed(derive_seed(self.seed, "augment", epoch, number))
        return shifted(images, generator, flip=self.train.augment == "crop_flip")


def shifted(images: Tensor, generator: torch.Generator, *, flip: bool) -> Tensor:
    """Move each image by up to an eighth of its size in each direction and, with `flip`, mirror about half of them.

    The same as padding with black and cropping at random. `generator` lives on the CPU, so that every device gets the
    same moves.
    """
    count, _, height, width = images.shape
    above, aside = height // 8, width // 8
    down = torch.randint(0, 2 * above + 1, (count, 1), generator=generator)
    right = torch.randint(0, 2 * aside + 1, (count, 1), generator=generator)
    rows, columns = down + torch.arange(height), right + torch.arange(width)
    if flip:
        mirrored = torch.rand(count, 1, generator=generator) < 0.5
        columns = torch.where(mirrored, columns.flip(1), columns)
    padded = F.pad(images, (aside, aside, above, above)).permute(0, 2, 3, 1)
    every = torch.arange(count)[:, None, None]
    device = images.device
    chosen = padded[every.to(device), rows[:, :, None].to(device), columns[:, None, :].to(device)]
    return chosen.permute(0, 3, 1, 2)
