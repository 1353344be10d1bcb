"""Tables on disk: parquet whose footer says what made it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from brinell.core import StoreError
from brinell.store.atomic import atomic_path

_FOOTER = "brinell"
_TYPES: dict[str, Any] = {
    "int32": pl.Int32,
    "int64": pl.Int64,
    "float32": pl.Float32,
    "float64": pl.Float64,
    "string": pl.String,
    "bool": pl.Boolean,
}


def table(columns: Mapping[str, Any], schema: Mapping[str, str]) -> pl.DataFrame:
    """A frame of exactly `schema`'s columns, in its order; a column left out or `None` is null throughout.

    A cell that a NumPy masked array masks is null.

    Raises:
        StoreError: a column that may not be null is missing, or one is not in the schema.
    """
    unknown = set(columns) - set(schema)
    if unknown:
        raise StoreError(f"columns {sorted(unknown)} are not in the schema {list(schema)}")
    length = max((len(values) for values in columns.values() if values is not None), default=0)
    series = []
    for name, kind in schema.items():
        values = columns.get(name)
        if values is None and not kind.endswith("?"):
            raise StoreError(f"column {name!r} is missing and may not be null")
        dtype = _TYPES[kind.removesuffix("?")]
        if values is None:
            values = [None] * length
        elif isinstance(values, np.ma.MaskedArray):  # polars would take the data and forget the mask
            values = values.tolist()
        series.append(pl.Series(name, values).cast(dtype))
    return pl.DataFrame(series)


def write_table(path: Path, frame: pl.DataFrame, footer: Mapping[str, Any]) -> None:
    """Write `frame` atomically, with `footer` (JSON-able) in the file's own metadata."""
    with atomic_path(path) as temporary:
        frame.write_parquet(temporary, compression="zstd", metadata={_FOOTER: json.dumps(footer, sort_keys=True)})


def read_table(path: Path) -> pl.DataFrame:
    """Read a table.

    Raises:
        StoreError: the file is missing, damaged, or not a table.
    """
    try:
        return pl.read_parquet(path, hive_partitioning=False)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # on damage polars may panic, and its panics are no `Exception`
        raise StoreError(f"cannot read the table {path}: {error}") from error


def read_footer(path: Path) -> dict[str, Any]:
    """What made the table: the mapping that `write_table` was given."""
    try:
        footer: dict[str, Any] = json.loads(pl.read_parquet_metadata(path)[_FOOTER])
    except Exception as error:
        raise StoreError(f"cannot read what made the table {path}: {error}") from error
    return footer
