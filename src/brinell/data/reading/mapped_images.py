"""Images in a file that is mapped into memory: rows are read when they are indexed, and given back at once."""

from __future__ import annotations

import mmap
from pathlib import Path

import torch
from torch import Tensor

from brinell.core import DataError


class MappedImages:
    """Bytes `(N, C, H, W)`, indexed as a tensor is; an index gives a tensor in memory.

    A selection of rows reads the same file, so that parts of a split take no memory of their own.
    """

    def __init__(self, path: Path, shape: tuple[int, int, int, int]) -> None:
        """Map the file at `path`.

        Raises:
            DataError: it has another size than `shape` needs, or cannot be read.
        """
        count, *image = shape
        try:
            with path.open("rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)  # torch wants it writable
        except (OSError, ValueError) as error:
            raise DataError(f"cannot map {path}: {error}") from error
        pixels = torch.frombuffer(self._map, dtype=torch.uint8)
        if pixels.numel() != torch.Size(shape).numel():
            raise DataError(f"{path}: {pixels.numel():,} bytes are not {count} images of {' x '.join(map(str, image))}")
        self._pixels = pixels.view(shape)
        self._rows = torch.arange(count)

    @property
    def shape(self) -> torch.Size:
        """(N, C, H, W)."""
        return torch.Size((len(self._rows), *self._pixels.shape[1:]))

    @property
    def dtype(self) -> torch.dtype:
        """uint8."""
        return self._pixels.dtype

    @property
    def device(self) -> torch.device:
        """The processor."""
        return self._pixels.device

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int | slice | Tensor) -> Tensor:
        """Read the images at `index` into memory."""
        images = self._pixels[self._rows[index]]
        if isinstance(index, int):
            images = images.clone()  # a view until here
        if hasattr(mmap, "MADV_DONTNEED"):  # what was read stays in the system's cache, not in this process
            self._map.madvise(mmap.MADV_DONTNEED)
        return images

    def select(self, index: slice | Tensor) -> MappedImages:
        """The images at `index`, which stay in the file."""
        chosen = object.__new__(MappedImages)
        chosen._map, chosen._pixels, chosen._rows = self._map, self._pixels, self._rows[index]
        return chosen
