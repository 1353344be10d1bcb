"""One bit a weight: a filter's weights are all +s or -s (XNOR-Net), or the whole tensor's are (+-1)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Self

import numpy as np
from pydantic import Field

from brinell.container.bit_patterns import MANTISSA, BitPatterns, Bits, Bytes, Layout
from brinell.container.byte_planes import byte_planes, words_of
from brinell.container.codings.coding import Coding
from brinell.core import StoreError

_FEW: Final = 8
"""Weights a filter under which its own scale costs more than its signs save."""


class SignBits(Coding):
    """Signs (1 is negative, the first weight in the highest bit) and `scales` magnitudes: one, or one a filter."""

    kind = "bits"

    scales: int = Field(ge=1)

    @classmethod
    def encode(cls, vector: BitPatterns) -> Iterator[tuple[Self, list[Bytes]]]:
        """One scale if one will do, else one a filter."""
        layout = vector.layout
        if layout.dtype not in MANTISSA or not layout.count:
            return
        for scales in sorted({1, layout.rows}):
            if scales > 1 and scales * _FEW > layout.count:
                return
            rows = vector.bits.reshape(scales, -1)
            sign = layout.word.type(layout.sign)
            scale = rows[:, 0] & ~sign
            if all(np.all((part & ~sign) == scale[:, None]) for part in (rows[:, :2], rows)):
                yield cls(scales=scales), [byte_planes(scale, layout).reshape(-1), np.packbits(vector.bits >= sign)]
                return

    def most(self, layout: Layout) -> list[int]:
        """The magnitudes, the signs."""
        if layout.dtype not in MANTISSA or self.scales not in (1, layout.rows) or not layout.count:
            raise StoreError(f"{self.scales} scales do not fit {layout.rows} filters of {layout.dtype}")
        return [self.scales * layout.itemsize, -(-layout.count // 8)]

    def decode(self, streams: Sequence[Bytes], layout: Layout) -> Bits:
        """A sign bit on a magnitude each."""
        scale = words_of(streams[:1], layout, self.scales)
        if len(streams[1]) != -(-layout.count // 8) or np.any(scale >= layout.sign):
            raise StoreError(f"{layout.count} signs take {-(-layout.count // 8)} bytes and magnitudes have no sign")
        signs = np.unpackbits(streams[1], count=layout.count).astype(layout.word)
        signs <<= layout.word.type(8 * layout.itemsize - 1)
        bits: Bits = (signs.reshape(self.scales, -1) | scale[:, None]).reshape(-1)
        return bits
