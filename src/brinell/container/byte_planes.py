"""Words as planes of bytes, so that exponents compress and the noise of mantissas does not spoil them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from brinell.container.bit_patterns import CHUNK, MANTISSA, Bits, Bytes, Layout
from brinell.core import StoreError

_SMALL: Final = 1 << 12
"""Words up to which all planes may be shorter in one stream than in one each."""


def byte_planes(bits: Bits, layout: Layout) -> Bytes:
    """The lowest byte of every word, then the second of every word, ...: `(itemsize, len(bits))`.

    The sign of a floating-point word is moved behind its mantissa first, so that its exponent is the highest byte.
    """
    split = np.empty((layout.itemsize, len(bits)), np.uint8)
    for start in range(0, len(bits), CHUNK):
        part = _rotate(bits[start : start + CHUNK], 1, layout)
        split[:, start : start + CHUNK] = part.view(np.uint8).reshape(-1, layout.itemsize).T
    return split


def ways(bits: Bits, layout: Layout) -> list[list[Bytes]]:
    """The streams worth trying: one a plane, and all planes in one where there are few words."""
    split = byte_planes(bits, layout)
    apart = [list(split)] if layout.itemsize > 1 else []
    return apart if apart and len(bits) > _SMALL else [[split.reshape(-1)], *apart]


def words_of(streams: Sequence[Bytes], layout: Layout, count: int) -> Bits:
    """Undo `byte_planes` to `count` words, from one stream or from one a plane.

    Raises:
        StoreError: the streams have other lengths.
    """
    if sum(map(len, streams)) != count * layout.itemsize or any(len(stream) != len(streams[0]) for stream in streams):
        raise StoreError(f"{count} values of {layout.dtype} take {count * layout.itemsize} bytes")
    split = streams[0].reshape(layout.itemsize, -1) if len(streams) == 1 else streams
    bits = np.empty(count, layout.word)
    for start in range(0, count, CHUNK):
        part = np.stack([plane[start : start + CHUNK] for plane in split], axis=1).view(layout.word).reshape(-1)
        bits[start : start + CHUNK] = _rotate(part, 8 * layout.itemsize - 1, layout)
    return bits


def _rotate(bits: Bits, by: int, layout: Layout) -> Bits:
    """Every floating-point word `by` bits to the left, and what falls off in again on the right."""
    if layout.dtype not in MANTISSA:
        return bits
    rotated: Bits = np.left_shift(bits, layout.word.type(by))
    rotated |= np.right_shift(bits, layout.word.type(8 * layout.itemsize - by))
    return rotated
