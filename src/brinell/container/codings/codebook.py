"""Few distinct values: a book of them, and a code for each weight (Han 2016, section 3, without its fillers)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Self

import numpy as np
from pydantic import Field

from brinell.container.bit_patterns import MOST_LEVELS, BitPatterns, Bits, Bytes, Layout, codes_of
from brinell.container.byte_planes import byte_planes, words_of
from brinell.container.codings.coding import Coding
from brinell.container.symbol_packing import CodeLayout


class CodeBook(Coding):
    """Shared weights, pruned or not; also constants and integer tensors. Code i is the i-th value of the book."""

    kind = "codebook"

    levels: int = Field(ge=1, le=MOST_LEVELS)
    codes: CodeLayout

    @classmethod
    def encode(cls, vector: BitPatterns) -> Iterator[tuple[Self, list[Bytes]]]:
        """Zeros left out or in the book, codes alone or packed."""
        levels = vector.levels
        if levels is None or not vector.layout.count:
            return
        if vector.has_zeros:
            if len(levels):
                yield from cls._with(
                    levels, vector.layout, CodeLayout.layouts(vector, "gaps", vector.codes, len(levels))
                )
                yield from cls._with(
                    levels, vector.layout, CodeLayout.layouts(vector, "mask", vector.codes, len(levels))
                )
            if len(levels) == MOST_LEVELS:
                return
            levels = np.concatenate([np.zeros(1, levels.dtype), levels])
        codes = codes_of(levels, vector.bits) if vector.has_zeros else vector.codes
        yield from cls._with(levels, vector.layout, CodeLayout.layouts(vector, "all", codes, len(levels)))

    @classmethod
    def _with(
        cls, book: Bits, layout: Layout, layouts: Iterator[tuple[CodeLayout, list[Bytes]]]
    ) -> Iterator[tuple[Self, list[Bytes]]]:
        for codes, streams in layouts:
            yield cls(levels=len(book), codes=codes), [byte_planes(book, layout).reshape(-1), *streams]

    def most(self, layout: Layout) -> list[int]:
        """The book, the codes, the places."""
        return [self.levels * layout.itemsize, *self.codes.most(self.levels, layout)]

    def decode(self, streams: Sequence[Bytes], layout: Layout) -> Bits:
        """Codes to values to places."""
        return self.codes.lookup(words_of(streams[:1], layout, self.levels), streams[1:], layout)
