"""Image tables as the Hugging Face hub keeps them: a column of `{bytes, path}` and an integer `label`."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

import numpy as np
import polars as pl

from brinell.core import DataError
from brinell.data.reading.files import check_regular
from brinell.data.reading.images import Fit, decode
from brinell.store.tables import most_rows


def find_parquet(root: Path, split: str) -> list[Path]:
    """The split's files in `root` or its `data` or `plain_text` folder, in order."""
    for folder in (root, root / "data", root / "plain_text"):
        if files := sorted(folder.glob(f"{split}*.parquet")):
            return files
    return []


def image_name(files: Sequence[Path], counts: Sequence[int], row: int) -> str:
    """An image of several files, which hold `counts` rows, by its file and its row in that."""
    ends = list(accumulate(counts))
    at = min(bisect_right(ends, row), len(files) - 1)
    return f"{files[at]}: the image in row {row - (ends[at] - counts[at])}"


def read_parquet_images(
    files: list[Path], columns: tuple[str, ...], size: tuple[int, int], fit: Fit = lambda image: image
) -> tuple[np.ndarray, np.ndarray]:
    """Images `(N, 3, height, width)` uint8, each brought to that `size` by `fit`, and labels `(N,)` int64.

    Raises:
        DataError: a column is missing or of another type, an image cannot be decoded, or one has another size.
    """
    most = [most_rows(check_regular(file).st_size) for file in files]
    try:
        tables = [pl.read_parquet(file, glob=False, n_rows=rows + 1) for file, rows in zip(files, most, strict=True)]
        table = pl.concat(tables)
    except Exception as error:
        raise DataError(f"cannot read {files[0]}: {error}") from error
    for file, rows, part in zip(files, most, tables, strict=True):
        if len(part) > rows:
            raise DataError(f"{file}: holds more than {rows:,} rows, too many for its size")
    column = next((name for name in columns if name in table.columns), None)
    if column is None or "label" not in table.columns:
        wanted = f"{' or '.join(columns)}, and label"
        raise DataError(f"{files[0]}: expected the columns {wanted}; found {', '.join(table.columns)}")
    if not isinstance(table.schema[column], pl.Struct) or "bytes" not in table[column].struct.fields:
        raise DataError(f"{files[0]}: the column {column!r} holds no {{bytes, path}}, as image tables do")
    labels = table["label"]
    if not labels.dtype.is_integer() or labels.null_count():
        raise DataError(f"{files[0]}: the column 'label' holds no whole numbers, or not everywhere")
    encoded = table[column].struct.field("bytes")
    name = lambda row: image_name(files, list(map(len, tables)), row)  # noqa: E731
    return decode(encoded, len(table), size, name, fit), labels.to_numpy().astype(np.int64)
