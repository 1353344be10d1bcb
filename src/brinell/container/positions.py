"""Where values lie among zeros, told apart from the values: distances in bytes, or one bit a place."""

from __future__ import annotations

from typing import Final, Literal

import numpy as np

from brinell.container.bit_patterns import CHUNK, BitPatterns, Bits, Bytes, Layout, Mask
from brinell.core import StoreError

Where = Literal["all", "gaps", "mask"]
"""`all`: every place has a value, zeros too; `gaps`: zeros are left out and each other place is told by its distance;
`mask`: by one bit a place, which is shorter from about three in ten."""

SKIP: Final = 255
"""A byte of gaps that means 255 zeros and no value; anything less is that many zeros and then a value. Gaps of zeros
that fall at random have no memory, so that this escape costs nothing against their entropy."""


def tell(vector: BitPatterns, where: Where) -> list[Bytes]:
    """The stream that tells where the non-zero values are; none for `all`."""
    if where == "all":
        return []
    return [np.packbits(vector.mask) if where == "mask" else _gaps(vector.mask)]


def max_stream_bytes(where: Where, layout: Layout, values: int) -> list[int]:
    """The most bytes that each stream of `tell` may have.

    Raises:
        StoreError: there are more values than places, or fewer where every place has one.
    """
    if values > layout.count or (where == "all" and values != layout.count):
        raise StoreError(f"{values} values do not fit {layout.count} places")
    if where == "all":
        return []
    return [-(-layout.count // 8)] if where == "mask" else [values + layout.count // SKIP]


def scatter(values: Bits, stream: Bytes, where: Where, layout: Layout) -> Bits:
    """Put `values` where `stream` tells (`gaps` or `mask`), and zeros elsewhere.

    Raises:
        StoreError: places and values differ in number, or a place lies outside the tensor.
    """
    if where == "mask":
        mask = _unmask(stream, layout)
        told = int(np.count_nonzero(mask))
    else:
        told = int(np.count_nonzero(stream != SKIP))
    if told != len(values):
        raise StoreError(f"{told} places are told for {len(values)} values")
    out = np.zeros(layout.count, layout.word)
    if where == "mask":
        out[mask] = values
    else:
        _fill(out, values, stream)
    return out


def _unmask(stream: Bytes, layout: Layout) -> Mask:
    if len(stream) != -(-layout.count // 8):
        raise StoreError(f"a mask of {layout.count} places takes {-(-layout.count // 8)} bytes, not {len(stream)}")
    mask: Mask = np.unpackbits(stream, count=layout.count).view(np.bool_)
    return mask


def _gaps(mask: Mask) -> Bytes:
    parts, before = [], -1
    for start in range(0, len(mask), CHUNK):
        places = np.flatnonzero(mask[start : start + CHUNK]) + start
        if not len(places):
            continue
        skips, rest = np.divmod(np.diff(places, prepend=before) - 1, SKIP)
        part = np.full(len(places) + int(skips.sum()), SKIP, np.uint8)
        part[np.cumsum(skips + 1) - 1] = rest
        parts.append(part)
        before = int(places[-1])
    return np.concatenate(parts) if parts else np.zeros(0, np.uint8)


def _fill(out: Bits, values: Bits, gaps: Bytes) -> None:
    place, filled = -1, 0
    for start in range(0, len(gaps), CHUNK):
        part = gaps[start : start + CHUNK]
        ends = part != SKIP
        places = place + np.cumsum(part + ends.astype(np.int64))
        if int(places[-1]) >= len(out):
            raise StoreError(f"a gap ends at {int(places[-1])}, outside the {len(out)} values of the tensor")
        place = int(places[-1])
        places = places[ends]
        out[places] = values[filled : filled + len(places)]
        filled += len(places)
