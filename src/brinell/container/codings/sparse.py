"""Zeros left out: the places of the rest apart from their values, which are written as `dense` writes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, Self

from pydantic import Field

from brinell.container.codings.coding import Coding
from brinell.container.codings.dense import planes, words
from brinell.container.places import most, scatter, tell
from brinell.container.vector import Bits, Bytes, Layout, Vector

_WAYS: tuple[Literal["gaps", "mask"], ...] = ("gaps", "mask")


class Sparse(Coding):
    """Pruned weights with many distinct values."""

    kind = "sparse"

    where: Literal["gaps", "mask"]
    count: int = Field(ge=0)
    """Values that are not zero."""

    @classmethod
    def encode(cls, vector: Vector) -> Iterator[tuple[Self, list[Bytes]]]:
        """Both ways to tell the places, where there are zeros to leave out."""
        if vector.has_zeros:
            for where in _WAYS:
                yield cls(where=where, count=len(vector.nonzero)), [planes(vector.nonzero), *tell(vector, where)]

    def most(self, layout: Layout) -> list[int]:
        """The values, then the places."""
        return [self.count * layout.itemsize, *most(self.where, layout, self.count)]

    def decode(self, streams: Sequence[Bytes], layout: Layout) -> Bits:
        """Values to their places."""
        return scatter(words(streams[0], layout, self.count), streams[1], self.where, layout)
