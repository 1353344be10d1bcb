"""Every value as it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Self

from brinell.container.bit_patterns import BitPatterns, Bits, Bytes, Layout
from brinell.container.byte_planes import ways, words_of
from brinell.container.codings.coding import Coding


class Dense(Coding):
    """Fits everything."""

    kind = "dense"

    apart: bool
    """Whether each plane has its own stream."""

    @classmethod
    def encode(cls, vector: BitPatterns) -> Iterator[tuple[Self, list[Bytes]]]:
        """Planes in one stream or in their own."""
        for streams in ways(vector.bits, vector.layout):
            yield cls(apart=len(streams) > 1), streams

    def most(self, layout: Layout) -> list[int]:
        """All values."""
        return [layout.count] * layout.itemsize if self.apart else [layout.count * layout.itemsize]

    def decode(self, streams: Sequence[Bytes], layout: Layout) -> Bits:
        """Planes to words."""
        return words_of(streams, layout, layout.count)
