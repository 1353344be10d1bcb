"""Codes of a small alphabet as bytes, laid out so that DEFLATE's Huffman codes come near the entropy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from brinell.container.bit_patterns import BitPatterns, Bits, Bytes, Layout
from brinell.container.positions import Where, max_stream_bytes, scatter, tell
from brinell.core import StoreError

_WORD: Final = 256


class CodeLayout(BaseModel):
    """How the codes of a tensor are laid out: which places have one, how many there are, and how many share a byte.

    Huffman codes spend a whole number of bits on a byte, so that packing several codes into one loses less; for short
    tensors one a byte is better, because the table of the Huffman code is then the smaller.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    where: Where
    count: int = Field(ge=0)
    per_byte: int = Field(ge=1, le=8)

    @classmethod
    def layouts(
        cls, vector: BitPatterns, where: Where, symbols: Bytes, base: int
    ) -> Iterator[tuple[Self, list[Bytes]]]:
        """Codes and places as streams: one code a byte, and as many as fit."""
        places = tell(vector, where)
        for each in sorted({1, _fitting(base)}):
            yield cls(where=where, count=len(symbols), per_byte=each), [pack(symbols, base, each), *places]

    def most(self, base: int, layout: Layout) -> list[int]:
        """The most bytes that each stream may have.

        Raises:
            StoreError: so many codes do not fit into a byte, or into the tensor.
        """
        if self.per_byte > 1 and base**self.per_byte > _WORD:
            raise StoreError(f"{self.per_byte} codes of an alphabet of {base} do not fit into a byte")
        return [-(-self.count // self.per_byte), *max_stream_bytes(self.where, layout, self.count)]

    def lookup(self, book: Bits, streams: Sequence[Bytes], layout: Layout) -> Bits:
        """The book's values at their places.

        Raises:
            StoreError: a code is not in the book, or codes and places do not fit each other.
        """
        values = book[unpack(streams[0], len(book), self.per_byte, self.count)]
        return values if self.where == "all" else scatter(values, streams[1], self.where, layout)


def pack(symbols: Bytes, base: int, each: int) -> Bytes:
    """`each` symbols a byte, the first the most significant digit in `base`; the last byte is filled with zeros."""
    if each == 1:
        return symbols
    packed = np.zeros(-(-len(symbols) // each), np.uint8)
    for digit in range(each):
        part = symbols[digit::each]
        packed[: len(part)] += part * np.uint8(base ** (each - 1 - digit))
    return packed


def unpack(packed: Bytes, base: int, each: int, count: int) -> Bytes:
    """Undo `pack` to `count` symbols.

    Raises:
        StoreError: a byte stands for a symbol that the alphabet does not have, or there are too few or too many.
    """
    if len(packed) != -(-count // each):
        raise StoreError(f"{count} codes take {-(-count // each)} bytes, not {len(packed)}")
    if len(packed) and int(packed.max()) >= base**each:
        raise StoreError(f"a code lies outside its alphabet of {base}")
    if each == 1:
        return packed
    digits = np.arange(_WORD)[:, None] // base ** np.arange(each)[::-1] % base
    return digits.astype(np.uint8)[packed].reshape(-1)[:count]


def _fitting(base: int) -> int:
    return max(each for each in range(1, 9) if each == 1 or base**each <= _WORD)
