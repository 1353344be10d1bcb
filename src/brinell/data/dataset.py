"""`Dataset`: a split in memory, as bytes; and the check that images and labels are what attacks expect."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from brinell.core import DataError, derive_seed
from brinell.data.reading.mapped_images import MappedImages


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images `(N, C, H, W)` uint8, labels `(N,)` int64 and ids `(N,)` int64 that name an example for good."""

    name: str
    split: str
    images: Tensor | MappedImages
    """In memory, or in a file of which only what is indexed is read."""
    labels: Tensor
    ids: Tensor
    class_names: tuple[str, ...]
    fingerprint: str
    """Hash of the whole split's content, whatever part of it this is."""
    skipped: tuple[str, ...] = ()
    """Why images of the split are not among these: their names, and what is wrong with each."""

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def classes(self) -> int:
        """How many classes the data set has."""
        return len(self.class_names)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        channels, height, width = self.images.shape[1:]
        return (channels, height, width)

    def tensors(self) -> tuple[Tensor, Tensor]:
        """Float32 images in [0, 1] and int64 labels."""
        return self.images[:].to(torch.float32) / 255, self.labels

    def subset(self, index: Tensor | slice) -> Dataset:
        """The examples at `index`, with their ids."""
        images = self.images.select(index) if isinstance(self.images, MappedImages) else self.images[index]
        return replace(self, images=images, labels=self.labels[index], ids=self.ids[index])

    def part(self, examples: int, seed: int = 0) -> Dataset:
        """As `take`, for training: in the order of the split, and under a fingerprint of its own.

        Raises:
            DataError: there are fewer.
        """
        chosen = self.take(examples, seed)
        content = hashlib.sha256(f"{self.fingerprint}/{seed}/{sorted(chosen.ids.tolist())}".encode()).hexdigest()
        return replace(chosen.subset(chosen.ids.argsort()), fingerprint=content)

    def order(self, seed: int) -> Tensor:
        """A permutation that only `seed` and the number of examples decide."""
        generator = torch.Generator().manual_seed(derive_seed(seed, "order"))
        return torch.randperm(len(self), generator=generator)

    def take(self, examples: int, seed: int = 0) -> Dataset:
        """The first `examples` of the seeded order, so that a larger sample begins with every smaller one.

        Raises:
            DataError: there are fewer.
        """
        if not 1 <= examples <= len(self):
            raise DataError(f"examples: {examples} asked for; {self.name}/{self.split} has 1 to {len(self)}")
        return self.subset(self.order(seed)[:examples])

    def holdout(self, examples: int, seed: int = 0) -> tuple[Dataset, Dataset]:
        """Split into what is trained on and `examples` held out for choices, disjoint.

        Raises:
            DataError: nothing would be left to train on.
        """
        if not 0 <= examples < len(self):
            raise DataError(f"holdout: {examples} asked for; {self.name}/{self.split} can spare 0 to {len(self) - 1}")
        order = self.order(derive_seed(seed, "holdout"))
        return self.subset(order[examples:].sort().values), self.subset(order[:examples].sort().values)


def from_tensors(
    images: Tensor, labels: Tensor, class_names: Sequence[str] | None = None, *, name: str = "tensors"
) -> Dataset:
    """Make a data set of tensors.

    Classes without names are numbered from 0. The id of an example is its index.

    Args:
        images: `(N, C, H, W)`, float in [0, 1]; stored in 8 bits.
        labels: `(N,)`, int64.
        class_names: Names of the classes in the order of their numbers.
        name: Name of the data set.

    Returns:
        The images in 8 bits, on the processor.

    Raises:
        DataError: Images or labels are invalid.

    Examples:
        >>> import torch
        >>> len(from_tensors(torch.rand(3, 1, 8, 8), torch.tensor([0, 1, 1])))
        3
    """
    if class_names is None:
        class_names = [str(label) for label in range(int(labels.max()) + 1 if len(labels) else 0)]
    check_images(images, labels, len(class_names))
    levels = (images * 255).round().to(torch.uint8).cpu().contiguous()
    numbers = labels.to(torch.int64).cpu().contiguous()
    content = hashlib.sha256(levels.numpy().tobytes() + numbers.numpy().tobytes())
    return Dataset(name, "all", levels, numbers, torch.arange(len(numbers)), tuple(class_names), content.hexdigest())


def check_images(images: Tensor, labels: Tensor, classes: int | None = None) -> None:
    """Check images and labels.

    Args:
        images: `(N, C, H, W)`, float in [0, 1].
        labels: `(N,)`, int64.
        classes: Number of classes; by default labels are only checked for their sign.

    Raises:
        DataError: Wrong shape or type, a value out of range; the message gives the value and the accepted range.

    Examples:
        >>> import torch
        >>> check_images(torch.rand(2, 1, 8, 8), torch.tensor([0, 9]), classes=10)
    """
    for name, value in (("images", images), ("labels", labels)):
        if not isinstance(value, Tensor):
            raise DataError(f"{name}: expected a tensor, not {type(value).__module__}.{type(value).__qualname__}")
        if value.layout is not torch.strided or value.is_meta:
            kind = "one without values (device meta)" if value.is_meta else f"one of layout {value.layout}"
            raise DataError(f"{name}: expected a dense tensor, not {kind}")
    if images.dim() != 4:
        raise DataError(f"images: expected shape (N, C, H, W), not {tuple(images.shape)}")
    if not images.is_floating_point():
        raise DataError(f"images: expected floats in [0, 1], not {images.dtype}; divide bytes by 255")
    if labels.shape != images.shape[:1]:
        raise DataError(f"labels: expected shape ({len(images)},) as there are images, not {tuple(labels.shape)}")
    if labels.is_floating_point() or labels.dtype == torch.bool:
        raise DataError(f"labels: expected whole numbers (int64), not {labels.dtype}")
    if not len(images):
        return
    low, high = images.aminmax()
    if not (low >= 0 and high <= 1):  # also true of NaN
        raise DataError(
            f"images: expected values in [0, 1], found {low:.4g} to {high:.4g}; "
            "normalisation belongs inside the model (brinell.models.Normalized)"
        )
    if labels.min() < 0 or (classes is not None and labels.max() >= classes):
        found = int(labels.min() if labels.min() < 0 else labels.max())
        accepted = "0 or more" if classes is None else f"0 to {classes - 1}"
        raise DataError(f"labels: expected {accepted}, found {found}")
