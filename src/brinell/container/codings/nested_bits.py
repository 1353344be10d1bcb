"""Bits of several bases that are nested, as one level a weight (ABC-Net)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final, Self

import numpy as np
from pydantic import Field

from brinell.container.bit_patterns import MANTISSA, BitPatterns, Bits, Bytes, Layout
from brinell.container.byte_planes import byte_planes, words_of
from brinell.container.codings.coding import Coding
from brinell.container.symbol_packing import CodeLayout
from brinell.core import StoreError

_MOST_BASES: Final = 255


class NestedBits(Coding):
    """M bases of +-s in which a weight that is positive in one is positive in all after it: M + 1 levels a weight.

    ABC-Net's bases compare the weights with rising thresholds, so that its M bits a weight carry log2(M + 1) at most.
    The code of a weight is the number of bases in which it is positive.
    """

    kind = "nested_bits"

    bases: int = Field(ge=2, le=_MOST_BASES)
    """The first dimension of the tensor."""
    codes: CodeLayout

    @classmethod
    def encode(cls, vector: BitPatterns) -> Iterator[tuple[Self, list[Bytes]]]:
        """One magnitude, and a level for each weight; codes alone or packed."""
        layout = vector.layout
        if layout.dtype not in MANTISSA or not layout.count or not 2 <= layout.rows <= _MOST_BASES:
            return
        sign = layout.word.type(layout.sign)
        magnitude = vector.bits[:1] & ~sign
        if not np.all((vector.bits & ~sign) == magnitude):
            return
        positive = (vector.bits < sign).reshape(layout.rows, -1)
        if np.any(positive[:-1] & ~positive[1:]):
            return
        levels = positive.sum(0, dtype=np.uint8)
        weights = BitPatterns(_weights(layout), levels.astype(layout.word))
        for codes, streams in CodeLayout.layouts(weights, "all", levels, layout.rows + 1):
            yield cls(bases=layout.rows, codes=codes), [byte_planes(magnitude, layout).reshape(-1), *streams]

    def most(self, layout: Layout) -> list[int]:
        """The magnitude, the levels."""
        if layout.dtype not in MANTISSA or self.bases != layout.rows or not layout.count or self.codes.where != "all":
            raise StoreError(f"{self.bases} nested bases do not fit {layout.rows} of {layout.dtype}")
        return [layout.itemsize, *self.codes.most(self.bases + 1, _weights(layout))]

    def decode(self, streams: Sequence[Bytes], layout: Layout) -> Bits:
        """Levels to bits of each base."""
        magnitude = words_of(streams[:1], layout, 1)
        if magnitude[0] >= layout.sign:
            raise StoreError("a magnitude has no sign")
        book = np.arange(self.bases + 1, dtype=layout.word)
        levels = self.codes.lookup(book, streams[1:], _weights(layout))
        bits = np.repeat(magnitude, layout.count).reshape(self.bases, -1)
        for base in range(self.bases):
            bits[base, levels < self.bases - base] |= layout.word.type(layout.sign)
        return bits.reshape(-1)


def _weights(layout: Layout) -> Layout:
    """Of one base."""
    return replace(layout, count=layout.count // layout.rows, rows=1)
