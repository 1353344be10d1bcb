"""Every value as it is, in planes: the first byte of each, then the second of each, ..."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Self

import numpy as np

from brinell.container.codings.coding import Coding
from brinell.container.vector import Bits, Bytes, Layout, Vector
from brinell.core import StoreError


class Dense(Coding):
    """Fits everything. Apart, the planes of exponents compress and those of mantissas do not spoil them."""

    kind = "dense"

    @classmethod
    def encode(cls, vector: Vector) -> Iterator[tuple[Self, list[Bytes]]]:
        """One lay-out."""
        yield cls(), [planes(vector.bits)]

    def most(self, layout: Layout) -> list[int]:
        """All values."""
        return [layout.count * layout.itemsize]

    def decode(self, streams: Sequence[Bytes], layout: Layout) -> Bits:
        """Planes to words."""
        return words(streams[0], layout, layout.count)


def planes(bits: Bits) -> Bytes:
    """The bytes of `bits`, plane by plane, the least significant first."""
    split: Bytes = bits.view(np.uint8).reshape(-1, bits.itemsize).T.reshape(-1)
    return split


def words(stream: Bytes, layout: Layout, count: int) -> Bits:
    """Undo `planes` to `count` words.

    Raises:
        StoreError: the stream has another length.
    """
    if len(stream) != count * layout.itemsize:
        raise StoreError(f"{count} values of {layout.dtype} take {count * layout.itemsize} bytes, not {len(stream)}")
    joined: Bits = np.ascontiguousarray(stream.reshape(layout.itemsize, -1).T).reshape(-1).view(layout.word)
    return joined
