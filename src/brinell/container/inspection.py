"""What a file holds, told from its header alone: no value is decoded and no network built."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from brinell.container.header import VERSION, StepEntry, TensorGroup, read_header
from brinell.container.reading import open_container


@dataclass(frozen=True)
class InspectedTensor:
    """One tensor of a file."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    coding: str
    """Its kind; `same` where the values are stored once, under another name."""
    parameters: dict[str, Any]
    encoded_bytes: int
    """Of its streams; where small tensors share streams, its share of them by size, rounded."""
    dense_bytes: int


@dataclass(frozen=True)
class Inspection:
    """A file's header in plain values. `encoded_bytes` is the whole file, everything in it."""

    version: int
    architecture: dict[str, Any] | None
    structure: tuple[dict[str, Any], ...]
    input_shape: tuple[int, int, int]
    classes: int
    lineage: tuple[StepEntry, ...]
    tensors: tuple[InspectedTensor, ...]
    header_bytes: int
    encoded_bytes: int
    dense_bytes: int

    @property
    def ratio(self) -> float:
        """Bytes of the tensors in memory over bytes of the file."""
        return self.dense_bytes / self.encoded_bytes


def inspect(path: Path) -> Inspection:
    """Look into a file.

    Args:
        path: The file.

    Returns:
        What the header says: version, network, lineage, and the bytes and coding of each tensor.

    Raises:
        StoreError: the file is missing, not a `.brinell` file, or its header is damaged.

    Examples:
        >>> import brinell, pathlib, tempfile
        >>> variant = brinell.testing.digits_variant(examples=60)[0]
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder) / "digits.brinell"
        ...     size = brinell.save(variant, path)
        ...     found = inspect(path)
        >>> type(found).__name__
        'Inspection'
    """
    with open_container(path) as (file, size):
        header, front = read_header(file, size)
        stored = [tensor for section in header.sections for tensor in _tensors(section)]
        by_name = {tensor.name: tensor for tensor in stored}
        same = (
            replace(by_name[other], name=name, coding="same", parameters={"as": other}, encoded_bytes=0, dense_bytes=0)
            for name, other in header.aliases.items()
        )
        tensors = (*stored, *same)
    return Inspection(
        version=VERSION,
        architecture=header.architecture,
        structure=header.structure,
        input_shape=header.input_shape,
        classes=header.classes,
        lineage=header.lineage,
        tensors=tensors,
        header_bytes=front,
        encoded_bytes=size,
        dense_bytes=sum(section.dense_bytes for section in header.sections),
    )


def _tensors(section: TensorGroup) -> list[InspectedTensor]:
    coding = section.parsed()
    parameters = {name: value for name, value in coding.config().items() if name != "kind"}
    whole, itemsize = section.layout.count, section.layout.itemsize
    return [
        InspectedTensor(
            name=tensor.name,
            dtype=section.dtype,
            shape=tensor.shape,
            coding=coding.kind,
            parameters=parameters,
            encoded_bytes=round(section.size * tensor.elements / whole) if whole else 0,
            dense_bytes=tensor.elements * itemsize,
        )
        for tensor in section.tensors
    ]
