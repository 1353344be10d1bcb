"""Tables with a column of encoded images and one of labels: parquet files, and data sets of the Hugging Face hub."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl

from brinell.core import DataError, require
from brinell.data.reading.files import check_regular
from brinell.data.reading.parquet import image_name
from brinell.store.tables import most_rows

_ROWS: Final = 256
"""Read at once."""


@dataclass(frozen=True)
class ImageTable(ABC):
    """One split."""

    where: str

    @abstractmethod
    def columns(self) -> dict[str, str]:
        """What each column holds: `image`, `integer`, `text` or `other`."""

    @abstractmethod
    def labels(self, column: str) -> list[Any]:
        """A column's values."""

    @abstractmethod
    def class_names(self, column: str) -> tuple[str, ...] | None:
        """The names of the classes, where the table has them."""

    @abstractmethod
    def images(self, column: str) -> Iterator[bytes | None]:
        """The encoded images, in order."""

    def image_name(self, row: int) -> str:
        """An image by where it lies."""
        return f"{self.where}: the image in row {row}"

    @abstractmethod
    def files(self) -> list[Path]:
        """The files that hold it."""


@dataclass(frozen=True)
class ParquetTable(ImageTable):
    """Parquet files, read a few rows at a time."""

    paths: tuple[Path, ...]

    def columns(self) -> dict[str, str]:
        """By the types in the first file."""
        check_regular(self.paths[0])
        try:
            schema = pl.read_parquet_schema(self.paths[0])
        except Exception as error:
            raise DataError(f"cannot read {self.paths[0]}: {error}") from error
        return {name: _kind(dtype) for name, dtype in schema.items()}

    def labels(self, column: str) -> list[Any]:
        """Of all files."""
        return [label for path in self.paths for label in self._column(path, column).to_list()]

    def class_names(self, column: str) -> tuple[str, ...] | None:
        """From the metadata that the library `datasets` writes into its files."""
        try:
            text = pl.read_parquet_metadata(self.paths[0]).get("huggingface", "{}")
            names = json.loads(text)["info"]["features"][column]["names"]
            return tuple(map(str, names))
        except Exception:  # whatever else the metadata holds, it holds no names
            return None

    def images(self, column: str) -> Iterator[bytes | None]:
        """Of all files."""
        for path in self.paths:
            start = 0
            while len(part := self._read(path, column, start, _ROWS)):
                yield from (part.struct.field("bytes") if isinstance(part.dtype, pl.Struct) else part)
                start += len(part)

    def image_name(self, row: int) -> str:
        """By the file and the row in it."""
        counts = [int(pl.scan_parquet(path, glob=False).select(pl.len()).collect().item()) for path in self.paths]
        return image_name(self.paths, counts, row)

    def files(self) -> list[Path]:
        """The parquet files."""
        return list(self.paths)

    def _column(self, path: Path, column: str) -> pl.Series:
        most = most_rows(check_regular(path).st_size)
        found = self._read(path, column, 0, most + 1)
        if len(found) > most:
            raise DataError(f"{path}: holds more than {most:,} rows, too many for its size")
        return found

    def _read(self, path: Path, column: str, start: int, count: int) -> pl.Series:
        check_regular(path)
        try:
            return pl.scan_parquet(path, glob=False).select(column).slice(start, count).collect()[column]
        except Exception as error:
            raise DataError(f"cannot read {path}: {error}") from error


def _kind(dtype: pl.DataType) -> str:
    if isinstance(dtype, pl.Struct):
        return "image" if any(field.name == "bytes" and field.dtype == pl.Binary for field in dtype.fields) else "other"
    if dtype == pl.Binary:
        return "image"
    if dtype.is_integer():
        return "integer"
    return "text" if dtype in (pl.String, pl.Categorical) else "other"


@dataclass(frozen=True)
class HubTable(ImageTable):
    """One split of a data set that the library `datasets` has loaded; images stay encoded."""

    table: Any

    def columns(self) -> dict[str, str]:
        """By the features."""
        return {name: _feature_kind(feature) for name, feature in self.table.features.items()}

    def labels(self, column: str) -> list[Any]:
        """A column's values."""
        return list(self.table[column])

    def class_names(self, column: str) -> tuple[str, ...] | None:
        """Of a `ClassLabel`."""
        names = getattr(self.table.features[column], "names", None)
        return None if names is None else tuple(map(str, names))

    def images(self, column: str) -> Iterator[bytes | None]:
        """In order."""
        encoded = self.table.cast_column(column, _datasets().Image(decode=False))
        for row in encoded[column]:
            yield row["bytes"] if row["bytes"] is not None else _local(row.get("path"))

    def files(self) -> list[Path]:
        """The library's own cache of the split."""
        return [Path(entry["filename"]) for entry in self.table.cache_files]


def _feature_kind(feature: Any) -> str:
    name = type(feature).__name__
    if name == "Image":
        return "image"
    if name == "ClassLabel" or "int" in str(getattr(feature, "dtype", "")):
        return "integer"
    return "text" if getattr(feature, "dtype", None) in ("string", "large_string") else "other"


def _local(path: str | None) -> bytes | None:
    """A file that the library has unpacked."""
    return Path(path).read_bytes() if path and Path(path).is_file() else None


def hub_splits(name: str, subset: str | None) -> dict[str, Any]:
    """The splits of a data set of the hub, by name.

    Raises:
        ConfigurationError: the library `datasets` is not installed.
        DataError: it cannot load the data set.
    """
    library = _datasets()
    try:
        found = library.load_dataset(name, subset)
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise DataError(f"data.name: cannot load {name!r} from the hub: {reason}") from error
    return dict(found.items())


def _datasets() -> Any:
    return require("datasets", extra="hub", setting="data.name")


def find_column(columns: dict[str, str], kinds: Sequence[str], usual: Sequence[str], chosen: str | None) -> str | None:
    """The column chosen, or of a usual name, or the only one of these kinds."""
    if chosen is not None:
        return chosen if columns.get(chosen) in kinds else None
    fitting = [name for name, kind in columns.items() if kind in kinds]
    named = [name for name in usual if name in fitting]
    if named:
        return named[0]
    return fitting[0] if len(fitting) == 1 else None
