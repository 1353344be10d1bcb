"""What is encoded: the bit patterns of one or several tensors of a type in a row, and facts about them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from brinell.core import StoreError

Bits = npt.NDArray[np.unsignedinteger[Any]]
Bytes = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

DTYPES: Final[dict[str, torch.dtype]] = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        torch.float32,
        torch.float16,
        torch.bfloat16,
        torch.float64,
        torch.int8,
        torch.uint8,
        torch.int16,
        torch.int32,
        torch.int64,
        torch.bool,
    )
}
"""The types a file may hold, by the name in its header."""

MANTISSA: Final = {"float16": 10, "bfloat16": 7, "float32": 23, "float64": 52}
"""Bits of the mantissa of each floating-point type; its exponent takes the rest but the sign."""

MOST_LEVELS: Final = 256
"""Distinct values a code book may hold, so that a code fits into a byte."""

CHUNK: Final = 1 << 20
"""Elements at a time where intermediate values take more room than the data themselves."""


@dataclass(frozen=True)
class Layout:
    """What a decoder knows beforehand, from the header's shapes alone."""

    dtype: str
    count: int
    """Elements."""
    rows: int
    """Filters: the first dimension, by which `bits` keeps one scale each. It divides `count`."""

    @property
    def itemsize(self) -> int:
        """Bytes an element."""
        return DTYPES[self.dtype].itemsize

    @property
    def word(self) -> np.dtype[np.unsignedinteger[Any]]:
        """The unsigned integer that holds an element's bit pattern, little-endian."""
        return np.dtype(f"<u{self.itemsize}")

    @property
    def bias(self) -> int:
        """What is added to a floating-point type's exponent before it is stored."""
        return (1 << (8 * self.itemsize - 2 - MANTISSA[self.dtype])) - 1

    @property
    def sign(self) -> int:
        """The bit pattern of a floating-point type's sign."""
        return 1 << (8 * self.itemsize - 1)


@dataclass(frozen=True, eq=False)
class BitPatterns:
    """Bit patterns to encode. Everything that codings ask about them is computed once, when first asked."""

    layout: Layout
    bits: Bits

    @classmethod
    def of(cls, tensors: Sequence[Tensor]) -> BitPatterns:
        """Several tensors of one type in a row; one alone keeps its filters apart (`rows`)."""
        name = str(tensors[0].dtype).removeprefix("torch.")
        count = sum(tensor.numel() for tensor in tensors)
        rows = tensors[0].shape[0] if len(tensors) == 1 and tensors[0].dim() > 1 and count else 1
        layout = Layout(name, count, rows)
        parts = [np.asarray(_bytes(tensor)).view(layout.word) for tensor in tensors]
        return cls(layout, parts[0] if len(parts) == 1 else np.concatenate(parts))

    @cached_property
    def mask(self) -> Mask:
        """Where the pattern is not that of zero; -0.0 is not zero."""
        mask: Mask = self.bits != 0
        return mask

    @cached_property
    def nonzero(self) -> Bits:
        """The patterns there."""
        return self.bits[self.mask] if np.count_nonzero(self.mask) < self.layout.count else self.bits

    @property
    def has_zeros(self) -> bool:
        """Whether any value may be left out."""
        return len(self.nonzero) < self.layout.count

    @cached_property
    def levels(self) -> Bits | None:
        """The distinct patterns of `nonzero`, ascending; `None` where there are more than `MOST_LEVELS`."""
        known = self.nonzero[:0]
        for start in range(0, len(self.nonzero), CHUNK):
            chunk = self.nonzero[start : start + CHUNK]
            fresh = chunk if not len(known) else chunk[known[_search(known, chunk)] != chunk]
            if np.unique(fresh[:4096]).size > MOST_LEVELS:
                return None
            known = np.union1d(known, fresh)
            if known.size > MOST_LEVELS:
                return None
        return known

    @cached_property
    def codes(self) -> Bytes:
        """Index into `levels` of every non-zero pattern, where there are few."""
        return codes_of(self.nonzero[:0] if self.levels is None else self.levels, self.nonzero)


def codes_of(levels: Bits, values: Bits) -> Bytes:
    """Index of each value in the ascending `levels`, which hold all of them."""
    codes = np.empty(len(values), np.uint8)
    for start in range(0, len(values), CHUNK):
        codes[start : start + CHUNK] = np.searchsorted(levels, values[start : start + CHUNK])
    return codes


def count_nonfinite(bits: Bits, layout: Layout) -> int:
    """How many of the words stand for NaN or an infinity: those whose exponent is all ones."""
    if layout.dtype not in MANTISSA:
        return 0
    ones = layout.word.type(layout.sign - (1 << MANTISSA[layout.dtype]))
    chunks = (bits[start : start + CHUNK] for start in range(0, len(bits), CHUNK))
    return sum(int(np.count_nonzero((chunk & ones) == ones)) for chunk in chunks)


def tensors_of(bits: Bits, layout: Layout, shapes: Sequence[Sequence[int]]) -> list[Tensor]:
    """Undo `Vector.of`: tensors of these shapes, none of which is a view of another.

    Raises:
        StoreError: a floating-point value is NaN or infinite, or a boolean is neither 0 nor 1.
    """
    flat = torch.from_numpy(bits.view(np.uint8)).view(DTYPES[layout.dtype])
    if count_nonfinite(bits, layout):
        raise StoreError("it holds NaN or infinite values")
    if flat.dtype == torch.bool and layout.count and int(bits.max()) > 1:
        raise StoreError("it holds booleans that are neither 0 nor 1")
    parts = torch.split(flat, [math.prod(shape) for shape in shapes])
    return [
        part.reshape(tuple(shape)).clone() if len(shapes) > 1 else part.reshape(tuple(shape))
        for part, shape in zip(parts, shapes, strict=True)
    ]


def _bytes(tensor: Tensor) -> Bytes:
    array: Bytes = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
    return array


def _search(known: Bits, values: Bits) -> npt.NDArray[np.intp]:
    return np.minimum(np.searchsorted(known, values), len(known) - 1)
