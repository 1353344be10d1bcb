"""Which coding: the one that is shortest for the values at hand, whatever made them."""

from __future__ import annotations

import heapq
import zlib
from collections.abc import Iterator
from operator import itemgetter
from typing import Final, NamedTuple

import numpy as np

from brinell.container.bit_patterns import CHUNK, BitPatterns, Bytes
from brinell.container.codings import CodeBook, Coding, Dense, Int8, NestedBits, PowerOfTwo, SignBits, Sparse
from brinell.container.deflate import Effort, deflate
from brinell.core.zip_archives import DEFLATE_RATIO

_TRIES: Final[dict[Effort, int]] = {"fast": 1, "default": 3, "best": 6}
"""How many of the lay-outs that look shortest are really compressed."""

_HOPELESS: Final = 1.25
"""Times the shortest guess above which a lay-out is not tried."""

_TABLE: Final = 0.45
"""Bytes that a symbol's length takes in the table of a block's Huffman code, as measured on gaps and codes."""

_ENTRY: Final = 10
"""Bytes that a stream's entry takes in the compressed header."""

_SECTION: Final = 20
"""Bytes that the rest of its section's does."""

_BLOCK: Final = 32768
"""Symbols to which one such table applies."""


_MANY: Final = 1 << 12
"""Values above which one that is shared, and so told by a byte or less, is never longer than a plain one."""


class CompressedStream(NamedTuple):
    """A compressed stream, with what its header entry says."""

    data: bytes
    inflated: int
    checksum: int


class Encoded(NamedTuple):
    """A vector as it will stand in the file."""

    coding: Coding
    streams: tuple[CompressedStream, ...]

    @property
    def size(self) -> int:
        """Bytes of all streams."""
        return sum(len(stream.data) for stream in self.streams)

    @property
    def cost(self) -> int:
        """The same, with what it costs in the header."""
        return self.size + _SECTION + _ENTRY * len(self.streams)


def encode(vector: BitPatterns, effort: Effort) -> Encoded:
    """The shortest encoding that `effort` finds.

    A lay-out that would expand more than DEFLATE itself can is left to `dense`: a reader may then refuse any file that
    declares more, which bounds its memory by the size of the file.
    """
    guessed = ((estimate(streams), coding, streams) for coding, streams in layouts(vector))
    likely = heapq.nsmallest(_TRIES[effort], guessed, key=itemgetter(0))
    limit = _HOPELESS * likely[0][0]
    found = [_compress(coding, streams, effort) for guess, coding, streams in likely if guess <= limit]
    dense_bytes = vector.bits.nbytes
    sound = [encoded for encoded in found if dense_bytes <= DEFLATE_RATIO * encoded.size]
    return min(sound, key=lambda encoded: encoded.cost, default=None) or _compress(*next(Dense.encode(vector)), effort)


def estimate(streams: list[Bytes]) -> float:
    """Bytes that DEFLATE needs for `streams`, and their header entries, if it finds no repetitions."""
    return sum(_huffman(stream) + _ENTRY for stream in streams)


def _huffman(stream: Bytes) -> float:
    counts = np.zeros(256, np.int64)
    for start in range(0, len(stream), CHUNK):
        counts += np.bincount(stream[start : start + CHUNK], minlength=256)
    heap = [int(count) for count in counts if count]
    tables = len(heap) * _TABLE * -(-len(stream) // _BLOCK)
    heapq.heapify(heap)
    bits = 0
    while len(heap) > 1:  # every merge of two subtrees of the code puts one bit before all of their symbols
        merged = heapq.heappop(heap) + heap[0]
        heapq.heapreplace(heap, merged)
        bits += merged
    return min(bits / 8 + tables, len(stream))


def layouts(vector: BitPatterns) -> Iterator[tuple[Coding, list[Bytes]]]:
    """Every lay-out that could be shortest: of many values, those of the first coding that fits."""
    for kind in (NestedBits, SignBits, PowerOfTwo, Int8, CodeBook):
        layouts = list(kind.encode(vector))
        yield from layouts
        if layouts and vector.layout.count > _MANY:
            return
    yield from Sparse.encode(vector)
    yield from Dense.encode(vector)


def _compress(coding: Coding, streams: list[Bytes], effort: Effort) -> Encoded:
    return Encoded(coding, tuple(_stream(stream.data, effort) for stream in streams))


def _stream(data: memoryview, effort: Effort) -> CompressedStream:
    return CompressedStream(deflate(data, effort), len(data), zlib.crc32(data))
