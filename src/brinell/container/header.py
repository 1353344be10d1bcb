"""The front of a file: magic, version, and a header that says what follows. Nothing in it is believed unchecked."""

from __future__ import annotations

import json
import math
import struct
import zlib
from typing import Annotated, Any, BinaryIO, Final, NamedTuple, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, FailFast, Field, ValidationError

from brinell.container.bit_patterns import DTYPES, Layout
from brinell.container.codings import CODINGS, Coding
from brinell.container.deflate import deflate, inflate
from brinell.core import ConfigurationError, StoreError, explain
from brinell.core.zip_archives import DEFLATE_RATIO

MAGIC: Final = b"\x89BRINELL"
VERSION: Final = 1
PREFIX: Final = struct.Struct("<8sIIII")
"""Magic, version, bytes of the compressed header, bytes of the header, CRC-32 of the three numbers and the former."""

_LARGEST_HEADER: Final = 4 << 20
_LARGEST_SIDE: Final = 1 << 14
_MOST_KEYS: Final = 4096
_MOST_CHANGES: Final = 256
"""Of the network's structure. Each is looked for among all layers."""
_MOST_VALUES: Final = 1 << 26
"""Of one image."""
_DEEPEST: Final = 32
"""Levels of objects and lists."""

Size = Annotated[int, Field(ge=0, le=1 << 48, strict=True)]
Side = Annotated[int, Field(ge=1, le=_LARGEST_SIDE, strict=True)]


def _image(shape: tuple[int, int, int]) -> tuple[int, int, int]:
    if math.prod(shape) > _MOST_VALUES:
        raise ValueError(f"an image has at most {_MOST_VALUES:,} values")
    return shape


Item = TypeVar("Item")
Many = Annotated[tuple[Item, ...], FailFast()]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StreamEntry(NamedTuple):
    """One stream; they follow one another in the file as in the header, without anything between."""

    length: Size
    inflated: Size
    checksum: Size
    """CRC-32 of the inflated bytes."""


class TensorEntry(NamedTuple):
    """One tensor of a section."""

    name: str
    shape: Annotated[Many[Size], Field(max_length=16)]

    @property
    def elements(self) -> int:
        """Elements."""
        return math.prod(self.shape)


class TensorGroup(_Strict):
    """Tensors of one type that were encoded in a row, in their order here."""

    coding: dict[str, Any]
    dtype: str
    tensors: Many[TensorEntry] = Field(min_length=1)
    streams: Many[StreamEntry]

    @property
    def layout(self) -> Layout:
        """What the section's coding decodes into."""
        count = sum(tensor.elements for tensor in self.tensors)
        shape = self.tensors[0].shape
        rows = shape[0] if len(self.tensors) == 1 and len(shape) > 1 and count else 1
        return Layout(self.dtype, count, rows)

    @property
    def size(self) -> int:
        """Bytes of its streams in the file."""
        return sum(stream.length for stream in self.streams)

    @property
    def dense_bytes(self) -> int:
        """Bytes of its tensors in memory."""
        return self.layout.count * self.layout.itemsize

    def parsed(self) -> Coding:
        """Its coding, after everything that can be told without inflating has been checked.

        Raises:
            StoreError: type or coding are unknown, or the streams cannot hold what the shapes declare.
        """
        if self.dtype not in DTYPES:
            raise StoreError(f"unknown type {self.dtype!r}; known: {', '.join(DTYPES)}")
        if self.dense_bytes > DEFLATE_RATIO * self.size:
            raise StoreError(f"{self.dense_bytes} bytes are declared, which {self.size} bytes of DEFLATE cannot hold")
        coding = CODINGS.parse(self.coding, "coding")
        most = coding.most(self.layout)
        if len(most) != len(self.streams):
            raise StoreError(f"the coding {coding.kind!r} takes {len(most)} streams, not {len(self.streams)}")
        for stream, limit in zip(self.streams, most, strict=True):
            if stream.inflated > min(limit, DEFLATE_RATIO * stream.length):
                raise StoreError(f"a stream declares {stream.inflated} bytes, and can hold {limit} at most")
        return coding


class StepEntry(_Strict):
    """One thing that was done to the network."""

    kind: str
    settings: dict[str, Any]
    seed: int
    figures: dict[str, Any]


class Header(_Strict):
    """Everything but the values."""

    architecture: dict[str, Any] | None
    structure: Many[dict[str, Any]] = Field(max_length=_MOST_CHANGES)
    input_shape: Annotated[tuple[Side, Side, Side], AfterValidator(_image)]
    classes: int = Field(ge=1, le=1 << 24, strict=True)
    lineage: Many[StepEntry]
    sections: Many[TensorGroup]
    aliases: dict[str, str] = {}
    """Tensors that are stored once under another name: the name by theirs."""
    frozen: Many[str] = ()
    """Parameters that training leaves alone, and batch norms that keep their statistics."""

    @property
    def payload(self) -> int:
        """Bytes of all streams."""
        return sum(section.size for section in self.sections)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of all tensors by name."""
        stored = {tensor.name: tensor.shape for section in self.sections for tensor in section.tensors}
        return {**stored, **{name: stored[other] for name, other in self.aliases.items()}}


def pack_header(header: Header) -> bytes:
    """Everything that stands before the streams.

    Raises:
        StoreError: the header is larger than a reader accepts, or holds text that is not Unicode.
    """
    try:
        text = _plain(_without_defaults(header)).encode()
    except (TypeError, ValueError) as error:
        raise StoreError(f"settings or names cannot be written as JSON ({error})") from None
    if len(text) > _LARGEST_HEADER:
        raise StoreError(f"names, settings and lineage take {len(text)} bytes, and {_LARGEST_HEADER} are accepted")
    packed = deflate(text, "best")
    checksum = zlib.crc32(packed, zlib.crc32(struct.pack("<III", VERSION, len(packed), len(text))))
    return PREFIX.pack(MAGIC, VERSION, len(packed), len(text), checksum) + packed


def read_header(file: BinaryIO, size: int) -> tuple[Header, int]:
    """The header of an open file of `size` bytes, and how many of them it takes.

    Raises:
        StoreError: not such a file, of a newer version, damaged, truncated, or with bytes that belong to nothing.
    """
    prefix = file.read(PREFIX.size)
    if prefix[: len(MAGIC)] != MAGIC:
        raise StoreError("this is not a .brinell file")
    if len(prefix) < PREFIX.size:
        raise StoreError("the file is truncated")
    _, version, length, inflated, checksum = PREFIX.unpack(prefix)
    if version != VERSION:
        raise StoreError(f"the file is of version {version}, and this brinell reads version {VERSION}; update it")
    front = PREFIX.size + length
    if front > size:
        raise StoreError("the file is truncated")
    if inflated > min(_LARGEST_HEADER, DEFLATE_RATIO * length):
        raise StoreError(f"the header declares {inflated} bytes, and {_LARGEST_HEADER} are accepted")
    packed = file.read(length)
    if zlib.crc32(packed, zlib.crc32(prefix[len(MAGIC) : -4])) != checksum:
        raise StoreError("the header is damaged: its checksum differs")
    header = _parse(inflate(packed, inflated))
    if front + header.payload != size:
        raise StoreError(f"the header declares a file of {front + header.payload} bytes, and it has {size}")
    return header, front


def _parse(text: bytes) -> Header:
    try:
        value = json.loads(text, object_pairs_hook=_once, parse_constant=_refuse)
        _shallow(value, _DEEPEST)
        _plain(value).encode()
        header = Header.model_validate(value)
    except ValidationError as error:
        raise StoreError(f"the header is damaged: {explain(error, '', Header)}") from None
    except (ValueError, RecursionError, ConfigurationError) as error:
        raise StoreError(f"the header is not plain JSON: {error}") from None
    stored = {tensor.name for section in header.sections for tensor in section.tensors}
    if len(stored) < sum(len(section.tensors) for section in header.sections) or stored & header.aliases.keys():
        raise StoreError("the header declares a tensor twice")
    if missing := sorted(set(header.aliases.values()) - stored):
        raise StoreError(f"the header declares that a tensor is {missing[0]!r}, which is not stored")
    return header


def _without_defaults(header: Header) -> dict[str, Any]:
    """Without fields that readers before them do not know, where they say nothing."""
    values = header.model_dump()
    return {name: value for name, value in values.items() if value or name not in ("aliases", "frozen")}


def _plain(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) > _MOST_KEYS:
        raise ValueError(f"an object has {len(pairs)} keys")
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return dict(pairs)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _shallow(value: object, levels: int) -> None:
    if not isinstance(value, (dict, list)):
        return
    if not levels:
        raise ValueError(f"it is nested more than {_DEEPEST} deep")
    for item in value.values() if isinstance(value, dict) else value:
        _shallow(item, levels - 1)
