"""Which coding: the one that is shortest for the values at hand, whatever made them."""

from __future__ import annotations

import heapq
import zlib
from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from brinell.container.codings import CODINGS, Coding, Dense
from brinell.container.deflate import LARGEST_RATIO, Effort, deflate
from brinell.container.vector import Bytes, Vector

_TRIES: Final[dict[Effort, int]] = {"fast": 1, "default": 3, "best": 100}
"""How many of the lay-outs that look shortest are really compressed."""

_TABLE: Final = 0.45
"""Bytes that a symbol's length takes in the table of a block's Huffman code, as measured on gaps and codes."""

_BLOCK: Final = 32768
"""Symbols to which one such table applies."""


class Stream(NamedTuple):
    """A compressed stream, with what its header entry says."""

    data: bytes
    inflated: int
    checksum: int


class Encoded(NamedTuple):
    """A vector as it will stand in the file."""

    coding: Coding
    streams: tuple[Stream, ...]

    @property
    def size(self) -> int:
        """Bytes of all streams."""
        return sum(len(stream.data) for stream in self.streams)


def encode(vector: Vector, effort: Effort) -> Encoded:
    """The shortest encoding that `effort` finds.

    A lay-out that would expand more than DEFLATE itself can is left to `dense`: a reader may then refuse any file that
    declares more, which bounds its memory by the size of the file.
    """
    likely = heapq.nsmallest(_TRIES[effort], _layouts(vector), key=lambda layout: sum(map(estimate, layout[1])))
    found = [_compress(*layout, effort) for layout in likely]
    dense_bytes = vector.bits.nbytes
    sound = [encoded for encoded in found if dense_bytes <= LARGEST_RATIO * encoded.size]
    return min(sound, key=lambda encoded: encoded.size, default=None) or _compress(*next(Dense.encode(vector)), effort)


def estimate(stream: Bytes) -> float:
    """Bytes that DEFLATE needs at most for `stream`: its zero-order entropy, one bit a symbol at least, and tables."""
    counts = np.bincount(stream, minlength=1)
    counts = counts[counts > 0]
    entropy = float(counts @ np.log2(len(stream) / counts)) if len(stream) else 0.0
    tables = len(counts) * _TABLE * -(-len(stream) // _BLOCK)
    return min(max(entropy, len(stream)) / 8 + tables, len(stream))


def _layouts(vector: Vector) -> Iterator[tuple[Coding, list[Bytes]]]:
    """Every lay-out of every coding that fits; plain values only where no shared ones were found."""
    found = False
    for kind in CODINGS:
        for layout in CODINGS[kind].encode(vector):
            found = True
            yield layout
        if found and vector.levels is not None:
            return


def _compress(coding: Coding, streams: list[Bytes], effort: Effort) -> Encoded:
    return Encoded(coding, tuple(_stream(stream.data, effort) for stream in streams))


def _stream(data: memoryview, effort: Effort) -> Stream:
    return Stream(deflate(data, effort), len(data), zlib.crc32(data))
