"""Arrays in `.npz`, `.npy` and `.safetensors` files: sizes known from headers, rows read a few at a time."""

from __future__ import annotations

import io
import math
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
from safetensors import SafetensorError, safe_open

from brinell.core import DataError, check_deflated_archive
from brinell.data.reading.files import check_regular

MOST_BYTES: Final = 1 << 36
"""Of one array, as its header tells."""
_LONGEST_HEADER: Final = 1 << 14
_ROWS_BYTES: Final = 1 << 24
"""Read at once."""


@dataclass(frozen=True)
class Array:
    """One array's header: nothing of its values is read yet."""

    archive: ArrayArchive
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def __post_init__(self) -> None:
        if math.prod(self.shape) * self.dtype.itemsize > MOST_BYTES:
            raise DataError(f"{self}: {self.shape} of {self.dtype} is more than {MOST_BYTES:,} bytes")

    def __str__(self) -> str:
        return f"{self.archive.path}: {self.name}"

    def rows(self) -> Iterator[np.ndarray]:
        """The array's rows, in order.

        Raises:
            DataError: the file holds less than its header tells, or is damaged.
        """
        if not self.shape:
            raise DataError(f"{self}: expected an array, not a single number")
        at_once = max(1, _ROWS_BYTES // max(1, math.prod(self.shape[1:]) * self.dtype.itemsize))
        count = 0
        for part in self.archive.read(self, at_once):
            yield from part
            count += len(part)
        if count != self.shape[0]:
            raise DataError(f"{self}: {count} of {self.shape[0]} rows are in the file")

    def values(self, most: int) -> np.ndarray:
        """The whole of a small array.

        Raises:
            DataError: it has more than `most` bytes, or is damaged.
        """
        if math.prod(self.shape) * self.dtype.itemsize > most:
            raise DataError(f"{self}: {self.shape} of {self.dtype} is more than {most:,} bytes")
        return np.array(list(self.rows()), dtype=self.dtype).reshape(self.shape)


class ArrayArchive(ABC):
    """What holds arrays by name."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @abstractmethod
    def names(self) -> Sequence[str]:
        """Of the arrays."""

    @abstractmethod
    def open(self, name: str) -> Array:
        """The header of an array."""

    @abstractmethod
    def read(self, array: Array, at_once: int) -> Iterator[np.ndarray]:
        """Its rows, up to `at_once` of them in each part."""

    @abstractmethod
    def files(self, names: Sequence[str]) -> list[Path]:
        """The files that hold these arrays."""


class _Stream(ArrayArchive):
    """Arrays in NumPy's format `.npy`, each in a stream of its own."""

    @abstractmethod
    def _stream(self, name: str) -> IO[bytes]: ...

    def open(self, name: str) -> Array:
        try:
            with self._stream(name) as stream:
                shape, dtype = _header(stream)
        except DataError as error:
            raise DataError(f"{self.path}: {name}: {error}") from None
        except Exception as error:  # zlib, zipfile and NumPy each raise their own
            raise DataError(f"{self.path}: {name} is damaged ({' '.join(str(error).split())[:200]})") from error
        return Array(self, name, shape, dtype)

    def read(self, array: Array, at_once: int) -> Iterator[np.ndarray]:
        row = math.prod(array.shape[1:]) * array.dtype.itemsize
        try:
            with self._stream(array.name) as stream:
                _header(stream)
                for start in range(0, array.shape[0], at_once):
                    count = min(at_once, array.shape[0] - start)
                    data = stream.read(count * row)
                    whole = len(data) // row if row else count
                    yield np.frombuffer(data[: whole * row], array.dtype).reshape(whole, *array.shape[1:])
                    if whole < count:
                        return
        except Exception as error:
            raise DataError(f"{array} is damaged ({' '.join(str(error).split())[:200]})") from error


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    stream = _bounded_header(stream)
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(stream)
    if dtype.hasobject:
        raise DataError("an array of Python objects is pickled, which can run code when it is read")
    if fortran and len(shape) > 1:
        raise DataError("an array in Fortran's order is not read; save np.ascontiguousarray of it")
    return shape, dtype


def _bounded_header(stream: IO[bytes]) -> IO[bytes]:
    """The front of an array alone: NumPy reads as many bytes as the front declares, and then checks their number."""
    front = stream.read(8)
    length = stream.read(2 if front[6:7] == b"\1" else 4)
    if (declared := int.from_bytes(length, "little")) > _LONGEST_HEADER:
        raise DataError(f"declares a header of {declared:,} bytes; at most {_LONGEST_HEADER:,} are accepted")
    return io.BytesIO(front + length + stream.read(declared))


class NpzFile(_Stream):
    """`np.savez`."""

    def names(self) -> Sequence[str]:
        """Of the arrays."""
        size = check_regular(self.path).st_size
        try:
            with zipfile.ZipFile(self.path) as archive:
                check_deflated_archive(archive, size, MOST_BYTES)
                return [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
        except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            raise DataError(f"cannot read {self.path}: {error}") from error

    def files(self, names: Sequence[str]) -> list[Path]:
        """The file itself."""
        return [self.path]

    def _stream(self, name: str) -> IO[bytes]:
        return zipfile.ZipFile(self.path).open(f"{name}.npy")


class NpyFolder(_Stream):
    """A folder of `.npy` files."""

    def names(self) -> Sequence[str]:
        """Of the files, without their ending."""
        return sorted(path.stem for path in self.path.glob("*.npy"))

    def files(self, names: Sequence[str]) -> list[Path]:
        """One for each array."""
        return [self.path / f"{name}.npy" for name in names]

    def _stream(self, name: str) -> IO[bytes]:
        path = self.path / f"{name}.npy"
        check_regular(path)
        return path.open("rb")

    def open(self, name: str) -> Array:
        """The header of an array."""
        array = super().open(name)
        declared, size = math.prod(array.shape) * array.dtype.itemsize, self.files([name])[0].stat().st_size
        if declared > size:
            raise DataError(f"{array}: {declared:,} bytes are declared, and the file has {size:,}")
        return array


class SafetensorsFile(ArrayArchive):
    """A `.safetensors` file."""

    def names(self) -> Sequence[str]:
        """Of the tensors."""
        with self._opened() as file:
            return list(file.keys())

    def files(self, names: Sequence[str]) -> list[Path]:
        """The file itself."""
        return [self.path]

    def open(self, name: str) -> Array:
        """The header of a tensor."""
        with self._opened() as file:
            part = file.get_slice(name)
            kind = _SAFETENSORS.get(part.get_dtype())
            if kind is None:
                raise DataError(
                    f"{self.path}: {name} is of type {part.get_dtype()}; accepted: {', '.join(_SAFETENSORS)}"
                )
            return Array(self, name, tuple(part.get_shape()), np.dtype(kind))

    def read(self, array: Array, at_once: int) -> Iterator[np.ndarray]:
        """Its rows, up to `at_once` of them in each part."""
        with self._opened() as file:
            part = file.get_slice(array.name)
            for start in range(0, array.shape[0], at_once):
                yield part[start : min(start + at_once, array.shape[0])]

    def _opened(self) -> Any:
        check_regular(self.path)
        try:
            return safe_open(self.path, framework="np")
        except (OSError, SafetensorError) as error:
            raise DataError(f"cannot read {self.path}: {error}") from error


_SAFETENSORS: Final = {"U8": "u1", "I8": "i1", "U16": "u2", "I16": "i2", "I32": "i4", "I64": "i8"} | {
    "F16": "f2",
    "F32": "f4",
    "F64": "f8",
}


def open_archive(path: Path) -> ArrayArchive | None:
    """The arrays in a file, or in a folder of `.npy` files; `None` for anything else.

    Raises:
        DataError: there is nothing at `path`, or it is no regular file.
    """
    if path.is_dir():
        return NpyFolder(path) if any(path.glob("*.npy")) else None
    check_regular(path)
    return {".npz": NpzFile, ".safetensors": SafetensorsFile}.get(path.suffix.lower(), lambda path: None)(path)
