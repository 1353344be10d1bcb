"""DEFLATE (RFC 1951, without zlib's or gzip's wrapping): any zlib reads it, and reading is bounded."""

from __future__ import annotations

import zlib
from typing import Final, Literal

from brinell.core import StoreError

Effort = Literal["fast", "default", "best"]

_BLOCK: Final = 9
"""zlib's `memLevel`: the largest makes blocks of 32,768 symbols, and so the fewest Huffman tables."""

_SAMPLE: Final = 1 << 18
"""Bytes of a long stream that decide how the rest of it is compressed."""

_CLOSE: Final = 1.002
"""Times the shortest sample up to which `best` tries others on the whole stream."""

Attempt = tuple[int, int, int]

_FAST: Final[tuple[Attempt, ...]] = ((1, _BLOCK, zlib.Z_RLE),)
_DEFAULT: Final[tuple[Attempt, ...]] = (
    *_FAST,
    (1, _BLOCK, zlib.Z_HUFFMAN_ONLY),
    (6, _BLOCK, zlib.Z_DEFAULT_STRATEGY),
)
_BEST: Final[tuple[Attempt, ...]] = (
    *_DEFAULT,
    (9, _BLOCK, zlib.Z_DEFAULT_STRATEGY),
    (9, _BLOCK, zlib.Z_FILTERED),
    (1, _BLOCK - 1, zlib.Z_HUFFMAN_ONLY),
)
ATTEMPTS: Final[dict[Effort, tuple[Attempt, ...]]] = {"fast": _FAST, "default": _DEFAULT, "best": _BEST}
"""(level, memLevel, strategy). Codes and gaps hardly ever repeat, but zlib takes the short matches that chance makes,
and each costs more than its symbols: Huffman codes alone come within 1 % of the entropy there, level 9 within 20 %."""


def deflate(data: bytes | memoryview, effort: Effort) -> bytes:
    """The shortest of what `effort` tries; of a long stream, only of what comes close to it for its middle."""
    attempts = ATTEMPTS[effort]
    if len(data) > 4 * _SAMPLE:
        middle = (len(data) - _SAMPLE) // 2
        sample = data[middle : middle + _SAMPLE]
        lengths = {attempt: len(_deflate(sample, attempt)) for attempt in attempts}
        limit = min(lengths.values()) * (_CLOSE if effort == "best" else 1)
        attempts = tuple(attempt for attempt in attempts if lengths[attempt] <= limit)
    return min((_deflate(data, attempt) for attempt in attempts), key=len)


def inflate(data: bytes, length: int) -> bytes:
    """Undo `deflate`; never makes more than `length` bytes.

    Raises:
        StoreError: the stream is damaged, is followed by something, or is not `length` bytes long.
    """
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        out = stream.decompress(data, length + 1)
    except zlib.error as error:
        raise StoreError(f"a DEFLATE stream is damaged ({error})") from None
    if len(out) != length or not stream.eof:
        raise StoreError(f"a DEFLATE stream is not of the {length} bytes that the header declares")
    if stream.unused_data:
        raise StoreError(f"a DEFLATE stream is followed by {len(stream.unused_data)} bytes that belong to nothing")
    return out


def _deflate(data: bytes | memoryview, attempt: Attempt) -> bytes:
    level, memory, strategy = attempt
    stream = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS, memory, strategy)
    return stream.compress(data) + stream.flush()
