"""Tables on disk: parquet whose footer says what made it."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from brinell.core import StoreError, read_regular_file
from brinell.store.atomic import write_bytes
from brinell.store.content_hash import FIELD, UNFILLED, has_content_hash, with_content_hash
from brinell.store.integrity import MOST_FILE_BYTES, read_content
from brinell.store.safe_paths import safe_path

_ROWS_A_BYTE: Final = 16
"""Of a table. Its examples' ids differ, so that each row takes a byte or more."""
_FEW_ROWS: Final = 4096
_FOOTER = "brinell"
_TYPES: dict[str, Any] = {
    "int32": pl.Int32,
    "int64": pl.Int64,
    "float32": pl.Float32,
    "float64": pl.Float64,
    "string": pl.String,
    "bool": pl.Boolean,
}


def frame_of_schema(columns: Mapping[str, Any], schema: Mapping[str, str]) -> pl.DataFrame:
    """A frame of exactly `schema`'s columns, in its order; a column left out or `None` is null throughout.

    A cell that a NumPy masked array masks is null.

    Args:
        columns: Values by the column's name; arrays or lists.
        schema: Types by the column's name; a `?` at the end allows null.

    Returns:
        A frame with a row for each value.

    Raises:
        StoreError: a column that may not be null is missing or holds a null, does not fit its type, has another length
            than the rest, or is not in the schema.

    Examples:
        >>> frame_of_schema({"id": [1, 2]}, {"id": "int64"}).height
        2
    """
    unknown = set(columns) - set(schema)
    if unknown:
        raise StoreError(f"columns {sorted(unknown)} are not in the schema {list(schema)}")
    length = max((len(values) for values in columns.values() if values is not None), default=0)
    return pl.DataFrame([_column(name, kind, columns.get(name), length) for name, kind in schema.items()])


def _column(name: str, kind: str, values: Any, length: int) -> pl.Series:
    nullable, kind = kind.endswith("?"), kind.removesuffix("?")
    if values is None:
        if not nullable:
            raise StoreError(f"column {name!r} is missing and may not be null")
        values = [None] * length
    if len(values) != length:
        raise StoreError(f"column {name!r} is {len(values)} long where others are {length}")
    if isinstance(values, np.ma.MaskedArray):  # polars would take the data and forget the mask
        values = values.tolist()
    try:
        series = pl.Series(name, values).cast(_TYPES[kind])
    except (pl.exceptions.PolarsError, TypeError) as error:
        raise StoreError(f"column {name!r} does not fit {kind}: {error}") from error
    if not nullable and series.null_count():
        raise StoreError(f"column {name!r} has {series.null_count()} nulls and may have none")
    return series


def write_table(path: Path, frame: pl.DataFrame, footer: Mapping[str, Any], place: str | None = None) -> None:
    """Write `frame` atomically, with `footer` (JSON-able) in its metadata, and a content hash if it has a `place`.

    Args:
        path: Of the file; its folder is made.
        frame: The rows.
        footer: What made them.
        place: Where in the run the table belongs, which its content hash covers.

    Raises:
        StoreError: As `write_bytes`.

    Examples:
        >>> from pathlib import Path
        >>> import polars as pl, tempfile
        >>> with tempfile.TemporaryDirectory() as root:
        ...     write_table(Path(root) / "table.parquet", pl.DataFrame({"id": [1]}), {"seed": 0})
        ...     [path.name for path in Path(root).iterdir()]
        ['table.parquet']
    """
    write_bytes(path, table_bytes(frame, footer, place))


def table_bytes(frame: pl.DataFrame, footer: Mapping[str, Any], place: str | None = None) -> bytes:
    """What `write_table` writes."""
    metadata = {_FOOTER: json.dumps(footer, sort_keys=True)}
    if place is not None:
        metadata[FIELD] = UNFILLED
    buffer = io.BytesIO()  # polars' own writing hides a full disk in an error of the format
    frame.write_parquet(buffer, compression="zstd", metadata=metadata)
    return buffer.getvalue() if place is None else with_content_hash(buffer.getvalue(), place)


def read_table(path: Path) -> pl.DataFrame:
    """Read a table.

    Args:
        path: Of the table.

    Returns:
        All of it.

    Raises:
        StoreError: the file is missing, damaged, or not a table.

    Examples:
        >>> from pathlib import Path
        >>> import polars as pl, tempfile
        >>> with tempfile.TemporaryDirectory() as root:
        ...     write_table(Path(root) / "table.parquet", pl.DataFrame({"id": [1]}), {"seed": 0})
        ...     read_table(Path(root) / "table.parquet")["id"].to_list()
        [1]
    """
    try:
        data = read_regular_file(path, MOST_FILE_BYTES)
    except OSError as error:
        raise StoreError(f"cannot read the table {path}: {error.strerror or error}") from error
    return parse_table(data, path)


def parse_table(data: bytes, path: Path) -> pl.DataFrame:
    """A table from a file's bytes; raises as `read_table` does."""
    most = most_rows(len(data))
    try:
        frame = pl.read_parquet(io.BytesIO(data), hive_partitioning=False, glob=False, n_rows=most + 1)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # on damage polars may panic, and its panics are no `Exception`
        raise StoreError(f"cannot read the table {path}: {error}") from error
    if len(frame) > most:
        raise StoreError(f"cannot read the table {path}: {len(data):,} bytes hold more than {most:,} rows")
    return frame


def most_rows(size: int) -> int:
    """Rows that a parquet file of `size` bytes may have: equal ones take no room, and memory for each all the same."""
    return _FEW_ROWS + _ROWS_A_BYTE * size


def read_footer(path: Path) -> dict[str, Any]:
    """What made the table: the mapping that `write_table` was given.

    Args:
        path: Of the table.

    Returns:
        The mapping.

    Raises:
        StoreError: The file is missing, damaged, or not a table.

    Examples:
        >>> from pathlib import Path
        >>> import polars as pl, tempfile
        >>> with tempfile.TemporaryDirectory() as root:
        ...     write_table(Path(root) / "table.parquet", pl.DataFrame({"id": [1]}), {"seed": 0})
        ...     read_footer(Path(root) / "table.parquet")
        {'seed': 0}
    """
    try:
        data = read_regular_file(path, MOST_FILE_BYTES)
    except OSError as error:
        raise StoreError(f"cannot read what made the table {path}: {error.strerror or error}") from error
    return parse_footer(data, path)


def parse_footer(data: bytes, path: Path) -> dict[str, Any]:
    """What made the table, from a file's bytes; raises as `read_footer` does."""
    try:
        footer: dict[str, Any] = json.loads(pl.read_parquet_metadata(io.BytesIO(data))[_FOOTER])
    except Exception as error:
        raise StoreError(f"cannot read what made the table {path}: {error}") from error
    return footer


def is_whole_table(root: Path, folder: str, trial: str, block: str) -> bool:
    """Whether one block's table is there with the content that was written."""
    try:
        table_content(root, folder, trial, block)
    except StoreError:
        return False
    return True


def table_content(root: Path, folder: str, trial: str, block: str) -> bytes:
    """The bytes of one block's table in `folder` (`trials` or `traces`), its content hash checked.

    Raises:
        StoreError: it is missing or damaged, or of another trial or block: one that is older than content hashes must
            name both in its footer.
    """
    name = f"{block}.parquet"
    data = read_content(root, folder, trial, name)
    if not has_content_hash(data):
        path = safe_path(root, folder, trial, name)
        footer = {part: record for part, record in parse_footer(data, path).items() if isinstance(record, dict)}
        if (footer.get("trial", {}).get("key"), footer.get("block", {}).get("name")) != (trial, block):
            raise StoreError(f"cannot read the table {path}: it is a copy of another trial's or block's file")
    return data
