"""Signed powers of two and zero (Zhou 2017): a code is an exponent and a sign, and no book is needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Self

import numpy as np
from pydantic import Field

from brinell.container.bit_patterns import MANTISSA, BitPatterns, Bits, Bytes, Layout
from brinell.container.codings.coding import Coding
from brinell.container.positions import Where
from brinell.container.symbol_packing import CodeLayout
from brinell.core import StoreError

_MOST_EXPONENTS: Final = 127


class PowerOfTwo(Coding):
    """Incrementally quantised weights: code 2 i is 2^(low + i), and code 2 i + 1 is -2^(low + i).

    Where zeros are coded too (`zero`), code 0 is zero, and the others are one higher.
    """

    kind = "power_of_two"

    low: int
    exponents: int = Field(ge=1, le=_MOST_EXPONENTS)
    zero: bool
    codes: CodeLayout

    @classmethod
    def encode(cls, vector: BitPatterns) -> Iterator[tuple[Self, list[Bytes]]]:
        """Zeros left out or coded, codes alone or packed. A book is shorter where most exponents are not used."""
        layout, levels = vector.layout, vector.levels
        if layout.dtype not in MANTISSA or levels is None or not len(levels):
            return
        mantissa = MANTISSA[layout.dtype]
        exponents = (levels & layout.word.type(layout.sign - 1)) >> layout.word.type(mantissa)
        low, span = int(exponents.min()), int(exponents.max() - exponents.min()) + 1
        if (
            low == 0
            or span > min(_MOST_EXPONENTS, len(levels))
            or np.any(levels & layout.word.type((1 << mantissa) - 1))
        ):
            return
        by_level = (2 * (exponents - low) + (levels >= layout.sign)).astype(np.uint8)
        symbols, base = by_level[vector.codes], 2 * span
        ways: list[tuple[Where, Bytes]] = (
            [("gaps", symbols), ("mask", symbols)] if vector.has_zeros else [("all", symbols)]
        )
        if vector.has_zeros:
            everywhere = np.zeros(layout.count, np.uint8)
            everywhere[vector.mask] = symbols + 1
            ways.append(("all", everywhere))
        for where, coded in ways:
            zero = coded is not symbols
            for codes, streams in CodeLayout.layouts(vector, where, coded, base + zero):
                yield cls(low=low - layout.bias, exponents=span, zero=zero, codes=codes), streams

    def most(self, layout: Layout) -> list[int]:
        """The codes, the places."""
        return self.codes.most(len(self._book(layout)), layout)

    def decode(self, streams: Sequence[Bytes], layout: Layout) -> Bits:
        """Codes to values to places."""
        return self.codes.lookup(self._book(layout), streams, layout)

    def _book(self, layout: Layout) -> Bits:
        if layout.dtype not in MANTISSA or self.low + layout.bias < 1 or self.low + self.exponents > layout.bias + 1:
            raise StoreError(f"2^{self.low} and the {self.exponents - 1} powers above it are not all of {layout.dtype}")
        exponents = np.arange(self.exponents, dtype=layout.word) + layout.word.type(self.low + layout.bias)
        positive = exponents << layout.word.type(MANTISSA[layout.dtype])
        book = np.stack([positive, positive | layout.word.type(layout.sign)], axis=1).reshape(-1)
        return np.concatenate([np.zeros(int(self.zero), layout.word), book])
