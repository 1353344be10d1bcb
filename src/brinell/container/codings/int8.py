"""Whole numbers of at most 8 bits times a scale, one a filter or one for all: weights that were quantised uniformly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field

from brinell.container.bit_patterns import CHUNK, MOST_LEVELS, BitPatterns, Bits, Bytes, Layout
from brinell.container.byte_planes import byte_planes, words_of
from brinell.container.codings.coding import Coding
from brinell.container.positions import Where
from brinell.container.symbol_packing import CodeLayout
from brinell.core import StoreError

Floats = npt.NDArray[np.float32]

_FEWEST: Final = 16
"""Values a filter under which its own scale costs more than it saves, and chance may find one."""

_SAMPLE: Final = 256
"""Values of a filter that say whether it is worth looking at the others."""

_TOLERANCE: Final = 1e-3
"""Of a step: how far from a whole number of steps a value may seem, before the scale is known exactly."""

_STEPS: Final = (127, *(step for step in range(1, 256) if step != 127))
"""Whole numbers that a filter's largest magnitude may be: the likeliest, then from below, for the longest step."""


class Int8(Coding):
    """`scale * (code + low)`, multiplied in float32; `-low` is the code of zero, the zero point."""

    kind = "int8"

    scales: int = Field(ge=1)
    """1, or one a filter."""
    low: int = Field(ge=-255, le=255)
    levels: int = Field(ge=1, le=MOST_LEVELS)
    """The largest code, plus one."""
    codes: CodeLayout

    @classmethod
    def encode(cls, vector: BitPatterns) -> Iterator[tuple[Self, list[Bytes]]]:
        """One scale if one will do, else one a filter; zeros left out or coded."""
        layout = vector.layout
        if layout.dtype != "float32" or not len(vector.nonzero):
            return
        for scales in sorted({1, layout.rows}):
            found = _quantised(vector.bits.reshape(scales, -1)) if layout.count >= scales * _FEWEST else None
            if found is not None:
                yield from cls._layouts(vector, *found)
                return

    @classmethod
    def _layouts(
        cls, vector: BitPatterns, scale: Floats, steps: npt.NDArray[np.int16]
    ) -> Iterator[tuple[Self, list[Bytes]]]:
        low, high = int(steps.min()), int(steps.max())
        if high - low >= MOST_LEVELS:
            return
        symbols, base = (steps - low).astype(np.uint8), high - low + 1
        scales = byte_planes(scale.view(vector.layout.word), vector.layout).reshape(-1)
        ways: list[Where] = ["gaps", "mask", "all"] if vector.has_zeros else ["all"]
        for where in ways:
            coded = symbols if where == "all" else symbols[vector.mask]
            for codes, streams in CodeLayout.layouts(vector, where, coded, base):
                yield cls(scales=len(scale), low=low, levels=base, codes=codes), [scales, *streams]

    def most(self, layout: Layout) -> list[int]:
        """The scales, the codes, the places."""
        if layout.dtype != "float32" or self.scales not in (1, layout.rows) or layout.count % self.scales:
            raise StoreError(f"{self.scales} scales do not fit {layout.rows} filters of {layout.dtype}")
        return [self.scales * layout.itemsize, *self.codes.most(self.levels, layout)]

    def decode(self, streams: Sequence[Bytes], layout: Layout) -> Bits:
        """Codes to whole numbers to places to values."""
        scale = words_of(streams[:1], layout, self.scales).view(np.float32)
        book = np.arange(self.low, self.low + self.levels).astype(np.float32).view(layout.word)
        values = self.codes.lookup(book, streams[1:], layout).view(np.float32).reshape(self.scales, -1)
        with np.errstate(over="ignore", invalid="ignore"):  # a hostile scale; what is not finite is refused later
            bits: Bits = np.multiply(values, scale[:, None], dtype=np.float32).reshape(-1).view(layout.word)
        return bits


def _quantised(bits: Bits) -> tuple[Floats, npt.NDArray[np.int16]] | None:
    """Each row's scale and its whole numbers, if every value is exactly their product."""
    scales, steps = np.empty(len(bits), np.float32), np.empty(bits.shape, np.int16)
    for row, words_of_row in enumerate(bits):
        found = _solved(words_of_row, steps[row])
        if found is None:
            return None
        scales[row] = found
    return scales, steps.reshape(-1)


def _solved(bits: Bits, steps: npt.NDArray[np.int16]) -> np.float32 | None:
    """The scale of one row, whose whole numbers are put into `steps`."""
    values: Floats = bits.view(np.float32)
    top = np.abs(values).max()
    if top == 0 or not np.isfinite(top):
        steps[:] = 0
        return np.float32(1) if not bits.any() else None
    some = values[:_SAMPLE].astype(np.float64)
    for most in _STEPS:
        multiples = some * (most / float(top))
        if np.all(np.abs(multiples - np.rint(multiples)) < _TOLERANCE):
            for scale in _near(np.float32(top / most)):
                if _products(bits, scale, steps):
                    return scale
    return None


def _near(guess: np.float32) -> Iterator[np.float32]:
    """The float itself and two to either side: product and quotient have each been rounded by half a place."""
    word = int(guess.view(np.uint32))
    for by in (0, -1, 1, -2, 2):
        if word + by > 0:
            yield np.uint32(word + by).view(np.float32)


def _products(bits: Bits, scale: np.float32, steps: npt.NDArray[np.int16]) -> bool:
    """Fill `steps` with the nearest whole numbers of `scale`; whether their products are these very bits."""
    for start in range(0, len(bits), CHUNK):
        part = slice(start, start + CHUNK)
        steps[part] = np.rint(bits[part].view(np.float32) / scale).clip(-255, 255)
        if not np.array_equal((steps[part].astype(np.float32) * scale).view(bits.dtype), bits[part]):
            return False
    return True
