"""Where values lie among zeros, told apart from the values: distances in bytes, or one bit a place."""

from __future__ import annotations

from typing import Final, Literal

import numpy as np

from brinell.container.vector import Bits, Bytes, Layout, Mask, Positions, Vector
from brinell.core import StoreError

Where = Literal["all", "gaps", "mask"]
"""`all`: every place has a value, zeros too; `gaps`: zeros are left out and each other place is told by its distance;
`mask`: by one bit a place, which is shorter from about three in ten."""

SKIP: Final = 255
"""A byte of gaps that means 255 zeros and no value; anything less is that many zeros and then a value. Gaps of zeros
that fall at random have no memory, so that this escape costs nothing against their entropy."""


def tell(vector: Vector, where: Where) -> list[Bytes]:
    """The stream that tells where the non-zero values are; none for `all`."""
    if where == "all":
        return []
    if where == "mask":
        return [np.packbits(vector.bits != 0)]
    gaps = np.diff(vector.positions, prepend=-1) - 1
    skips, rest = np.divmod(gaps, SKIP)
    stream = np.full(len(gaps) + int(skips.sum()), SKIP, np.uint8)
    stream[np.cumsum(skips + 1) - 1] = rest
    return [stream]


def most(where: Where, layout: Layout, values: int) -> list[int]:
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
    places = np.flatnonzero(_unmask(stream, layout)) if where == "mask" else _positions(stream, layout)
    if len(places) != len(values):
        raise StoreError(f"{len(places)} places are told for {len(values)} values")
    out = np.zeros(layout.count, layout.word)
    out[places] = values
    return out


def _unmask(stream: Bytes, layout: Layout) -> Mask:
    if len(stream) != -(-layout.count // 8):
        raise StoreError(f"a mask of {layout.count} places takes {-(-layout.count // 8)} bytes, not {len(stream)}")
    mask: Mask = np.unpackbits(stream, count=layout.count).view(np.bool_)
    return mask


def _positions(stream: Bytes, layout: Layout) -> Positions:
    values = stream != SKIP
    if len(stream) and not values[-1]:
        raise StoreError("the gaps end in a distance to nothing")
    positions: Positions = np.cumsum(stream + values, dtype=np.int64)[values] - 1
    if len(positions) and int(positions[-1]) >= layout.count:
        raise StoreError(f"a value lies at {int(positions[-1])}, outside the {layout.count} of the tensor")
    return positions
