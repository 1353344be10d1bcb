"""Damage, done by seed: to the bytes of a file, and to what is in them under an honest checksum."""

from __future__ import annotations

import copy
import random
import zlib
from typing import Any

from container.samples import put_together, squeezed, taken_apart

HOSTILE = [
    *(0, 1, -1, 2, 3, 7, 255, 256, 257, 1 << 31, 1 << 32, 1 << 48, (1 << 63) - 1, 1 << 64, 10**30, -(10**12)),
    *(1.5, 1e308, True, None, "", "all", "gaps", "mask", "dense", "codebook", "float32", "int64", "bool", "é" * 50),
    *([], [[]], {}, {"kind": "dense", "apart": False}, {"kind": "resnet56"}, [1, 2], "__class__", "../../x"),
]


def bytes_changed(data: bytes, draw: random.Random) -> bytes:
    """Bits flipped, or a stretch overwritten, removed, repeated, moved, zeroed or added."""
    out = bytearray(data)
    for _ in range(draw.choice([1, 1, 2, 5])):
        start = draw.randrange(len(out) + 1)
        stop = min(len(out), start + draw.choice([1, 1, 2, 8, 100, 5000]))
        stretch = bytes(out[start:stop])
        match draw.randrange(8):
            case 0 | 1:
                at = draw.randrange(len(out)) if out else 0
                out[at : at + 1] = bytes([out[at] ^ (1 << draw.randrange(8))]) if out else b"\0"
            case 2:
                out[start:stop] = draw.randbytes(stop - start)
            case 3:
                del out[start:stop]
            case 4:
                out[stop:stop] = stretch
            case 5:
                del out[start:stop]
                at = draw.randrange(len(out) + 1)
                out[at:at] = stretch
            case 6:
                out[start:stop] = bytes(stop - start)
            case 7:
                out[start:start] = draw.randbytes(draw.choice([1, 4, 64]))
    return bytes(out)


def header_changed(data: bytes, draw: random.Random) -> bytes:
    """Values of the header replaced, removed, doubled or exchanged, and the checksum mended."""
    header, streams = taken_apart(data)
    for _ in range(draw.choice([1, 1, 1, 2, 3])):
        places = list(_places(header))
        where, key = draw.choice(places)
        match draw.randrange(5):
            case 0 | 1:
                where[key] = copy.deepcopy(draw.choice(HOSTILE))
            case 2:
                del where[key]
            case 3 if isinstance(where, list):
                where.insert(key, copy.deepcopy(where[key]))
            case _:
                other, place = draw.choice(places)
                if isinstance(where[key], int) and not isinstance(where[key], bool):
                    where[key] += draw.choice([-1, 1, 8, -8, 1000])
                elif not isinstance(other[place], (dict, list)):
                    where[key] = other[place]
    return put_together(header, streams)


def streams_changed(data: bytes, draw: random.Random) -> bytes:
    """The inside of a stream damaged, with lengths and checksum mended; or streams exchanged, or a bomb put in."""
    header, streams = taken_apart(data)
    entries = [entry for section in header["sections"] for entry in section["streams"]]
    at = draw.randrange(len(streams))
    match draw.randrange(4):
        case 0 | 1:
            inside = bytes_changed(zlib.decompress(streams[at], -15), draw)
            streams[at] = squeezed(inside)
            entries[at][:] = [len(streams[at]), len(inside), zlib.crc32(inside)]
        case 2:
            other = draw.randrange(len(streams))
            streams[at], streams[other] = streams[other], streams[at]
            entries[at][0], entries[other][0] = entries[other][0], entries[at][0]
        case 3:
            bomb = bytes(draw.choice([10_000, 1_000_000]))
            streams[at] = squeezed(bomb)
            entries[at][:] = [len(streams[at]), draw.choice([entries[at][1], len(bomb)]), zlib.crc32(bomb)]
    return put_together(header, streams)


MUTATIONS = (bytes_changed, header_changed, streams_changed)


def _places(value: Any) -> Any:
    if isinstance(value, (dict, list)):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from _places(value[key])
