"""Zeros left out: the places of the rest apart from their values, which are written as `dense` writes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Literal, Self

from pydantic import Field

from brinell.container.bit_patterns import BitPatterns, Bits, Bytes, Layout
from brinell.container.byte_planes import ways, words_of
from brinell.container.codings.coding import Coding
from brinell.container.positions import max_stream_bytes, scatter, tell

_WAYS: tuple[Literal["gaps", "mask"], ...] = ("gaps", "mask")

_FEW: Final = 64
"""Values among which one zero costs more to tell apart than it saves."""


class Sparse(Coding):
    """Pruned weights with many distinct values."""

    kind = "sparse"

    where: Literal["gaps", "mask"]
    count: int = Field(ge=0)
    """Values that are not zero."""
    apart: bool
    """Whether each plane of the values has its own stream."""

    @classmethod
    def encode(cls, vector: BitPatterns) -> Iterator[tuple[Self, list[Bytes]]]:
        """Both ways to tell the places, where there are enough zeros to pay for that."""
        if (vector.layout.count - len(vector.nonzero)) * _FEW <= vector.layout.count:
            return
        values = ways(vector.nonzero, vector.layout)
        for where in _WAYS:
            places = tell(vector, where)
            for streams in values:
                yield cls(where=where, count=len(vector.nonzero), apart=len(streams) > 1), [*places, *streams]

    def most(self, layout: Layout) -> list[int]:
        """The places, then the values."""
        values = [self.count] * layout.itemsize if self.apart else [self.count * layout.itemsize]
        return [*max_stream_bytes(self.where, layout, self.count), *values]

    def decode(self, streams: Sequence[Bytes], layout: Layout) -> Bits:
        """Values to their places."""
        return scatter(words_of(streams[1:], layout, self.count), streams[0], self.where, layout)
