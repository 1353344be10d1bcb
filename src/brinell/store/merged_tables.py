"""The finished blocks of a trial in one file: 50,000 examples are 200 blocks, and each file costs time to open.

`trials/<key>/merged.parquet` holds the rows of blocks one after the other, and in its footer which they are and what
made each. A block's own file, where there is one, is newer than the merged one. Whatever moment a merge is killed at,
each block is in the one, in the other, or the same in both; a reader takes it once.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, Final

import polars as pl

from brinell.core import StoreError
from brinell.store.atomic import write_bytes
from brinell.store.safe_paths import exists, safe_path, walk_known_entries
from brinell.store.tables import is_whole_table, most_rows, parse_footer, parse_table, table_bytes, table_content

MERGED: Final = "merged"
"""Name of the merged file, without its ending, in place of a block's."""
LEAST_BLOCKS: Final = 4
"""Blocks of a trial from which on they are merged: fewer files are no burden."""


@dataclass(frozen=True)
class BlockTable:
    """The rows of a block, or of several, and for each block the footer that says what made its rows."""

    rows: pl.DataFrame
    footers: tuple[Mapping[str, Any], ...]


def read_block_rows(root: Path, folder: str, trial: str, block: str) -> pl.DataFrame:
    """The rows of one block of a trial in `folder` (`trials` or `traces`).

    Raises:
        StoreError: it is missing or damaged, or of another trial or block.
    """
    found = _find(root, folder, trial, block)
    path = root / folder / trial / f"{block}.parquet"
    return found.rows if isinstance(found, BlockTable) else parse_table(found, path)


def read_block_footer(root: Path, folder: str, trial: str, block: str) -> Mapping[str, Any]:
    """What made one block's rows; raises as `read_block_rows` does."""
    found = _find(root, folder, trial, block)
    path = root / folder / trial / f"{block}.parquet"
    return found.footers[0] if isinstance(found, BlockTable) else parse_footer(found, path)


def read_blocks(root: Path, folder: str, trial: str, blocks: Sequence[str], most: int) -> BlockTable:
    """Several blocks of a trial at once, in their order: much faster than one after the other.

    Args:
        root: The run.
        folder: `trials` or `traces`.
        trial: The trial's key.
        blocks: Names of blocks.
        most: Rows that they may have together.

    Returns:
        Their rows, and a footer for each.

    Raises:
        StoreError: one is missing, damaged, or of another trial or block, or they have more rows.
    """
    own, path = _own_files(root, folder, trial), root / folder / trial
    merged = {} if own.issuperset(blocks) else merged_blocks(root, folder, trial)
    if missing := [block for block in blocks if block not in own and block not in merged]:
        raise StoreError(f"{path} lacks {len(missing)} blocks, the first of which is {missing[0]}")
    found = [_find(root, folder, trial, block) if block in own else merged[block] for block in blocks]
    files = [data for data in found if isinstance(data, bytes)]
    if files and len(files) == len(found):
        rows = [_parse_together(files, path, most)]
    else:
        rows = [part.rows if isinstance(part, BlockTable) else parse_table(part, path) for part in found]
    footers = (part.footers[0] if isinstance(part, BlockTable) else parse_footer(part, path) for part in found)
    try:
        table = BlockTable(pl.concat(rows), tuple(footers))
    except pl.exceptions.PolarsError as error:
        raise StoreError(f"cannot read the tables in {path} together: {error}") from error
    if len(table.rows) > most:
        raise StoreError(f"the tables in {path} have more than {most:,} rows")
    return table


def _parse_together(files: Sequence[bytes], path: Path, most: int) -> pl.DataFrame:
    try:
        sources: list[IO[bytes]] = [io.BytesIO(data) for data in files]
        return pl.read_parquet(sources, hive_partitioning=False, glob=False, n_rows=most + 1)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # on damage polars may panic, and its panics are no `Exception`
        raise StoreError(f"cannot read the tables in {path}: {error}") from error


def whole_blocks(root: Path, folder: str, trial: str, blocks: Sequence[str]) -> set[str]:
    """Those of the blocks that are there with the content that was written."""
    own = _own_files(root, folder, trial)
    whole = {block for block in blocks if block in own and is_whole_table(root, folder, trial, block)}
    if len(whole) < len(blocks):
        with suppress(StoreError):
            whole |= _merged_names(root, folder, trial) & set(blocks)
    return whole


def block_place(root: Path, folder: str, trial: str, block: str) -> str | None:
    """The file in the run that holds the block, or would if it were not damaged; `None` where there is none."""
    if exists(root, folder, trial, f"{block}.parquet"):
        return f"{folder}/{trial}/{block}.parquet"
    with suppress(StoreError):
        if block not in merged_blocks(root, folder, trial):
            return None
    return f"{folder}/{trial}/{MERGED}.parquet"


def _find(root: Path, folder: str, trial: str, block: str) -> bytes | BlockTable:
    """The bytes of the block's own file, or its part of the merged one."""
    if exists(root, folder, trial, f"{block}.parquet"):
        try:
            return table_content(root, folder, trial, block)
        except StoreError:  # damaged, or merged and removed since
            with suppress(StoreError):
                if block in (merged := merged_blocks(root, folder, trial)):
                    return merged[block]
            raise
    merged = merged_blocks(root, folder, trial)
    return merged[block] if block in merged else table_content(root, folder, trial, block)


def merged_blocks(root: Path, folder: str, trial: str) -> Mapping[str, BlockTable]:
    """The blocks in a trial's merged file, by name; none where there is no such file.

    Raises:
        StoreError: the file is damaged, or of another trial.
    """
    parts = (folder, trial, f"{MERGED}.parquet")
    if not exists(root, *parts):
        return {}
    path = safe_path(root, *parts)
    try:
        status = path.stat()
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror or error}") from error
    return _read_merged(root, folder, trial, (status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size))


@lru_cache(maxsize=2)
def _read_merged(root: Path, folder: str, trial: str, state: tuple[int, ...]) -> Mapping[str, BlockTable]:
    """As `merged_blocks`; `state` changes when the file does."""
    data, path = table_content(root, folder, trial, MERGED), root / folder / trial / f"{MERGED}.parquet"
    return dict(_split(parse_table(data, path), parse_footer(data, path), path))


def _merged_names(root: Path, folder: str, trial: str) -> set[str]:
    """Names of the blocks in the merged file, whose rows are not parsed; raises as `merged_blocks` does."""
    if not exists(root, folder, trial, f"{MERGED}.parquet"):
        return set()
    data, path = table_content(root, folder, trial, MERGED), root / folder / trial / f"{MERGED}.parquet"
    return set(_object(parse_footer(data, path).get("blocks")))


def _split(rows: pl.DataFrame, footer: Mapping[str, Any], path: Path) -> Iterator[tuple[str, BlockTable]]:
    start, common, blocks = 0, footer.get("common"), footer.get("blocks")
    if not isinstance(common, dict) or not isinstance(blocks, dict):
        raise StoreError(f"cannot read the table {path}: its footer does not say which blocks it holds")
    for name, block in blocks.items():
        count = block.get("rows") if isinstance(block, dict) else None
        if not isinstance(count, int) or not 0 <= count <= len(rows) - start:
            raise StoreError(f"cannot read the table {path}: its footer does not say how many rows {name!r:.60} has")
        yield name, BlockTable(rows.slice(start, count), ({**common, **_object(block.get("footer"))},))
        start += count
    if start != len(rows):
        raise StoreError(f"cannot read the table {path}: it holds {len(rows) - start} rows of no block")


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def merge_trial(root: Path, trial: str, blocks: Sequence[str]) -> bool:
    """Merge the traces and the rows of a trial whose `blocks` are all there; only the holder of the lock may.

    Returns:
        Whether rows were merged.

    Raises:
        StoreError: the folder cannot be written.
    """
    merge_blocks(root, "traces", trial, blocks)
    return merge_blocks(root, "trials", trial, blocks)


def merge_blocks(root: Path, folder: str, trial: str, blocks: Sequence[str]) -> bool:
    """Put the blocks' files into the trial's merged file, with what it holds already, and remove them.

    Nothing is done where a block is missing or damaged, where no block has a file of its own, and where tables of
    several versions do not fit into one.

    Returns:
        Whether the blocks were merged.

    Raises:
        StoreError: the folder cannot be written.
    """
    own = _own_files(root, folder, trial) & set(blocks)
    if not own or len(blocks) < LEAST_BLOCKS:
        return False
    try:
        known = dict(merged_blocks(root, folder, trial))
    except StoreError:
        known = {}  # its blocks were made again, or the next lines find that they were not
    try:
        tables = known | {name: _read_block(root, folder, trial, name) for name in blocks}
        data = _merged_bytes(tables, f"{folder}/{trial}/{MERGED}.parquet")
    except (StoreError, pl.exceptions.PolarsError):
        return False
    write_bytes(safe_path(root, folder, trial, f"{MERGED}.parquet"), data)
    for name in own:
        safe_path(root, folder, trial, f"{name}.parquet").unlink(missing_ok=True)
    return True


def _read_block(root: Path, folder: str, trial: str, block: str) -> BlockTable:
    found = _find(root, folder, trial, block)
    if isinstance(found, BlockTable):
        return found
    path = root / folder / trial / f"{block}.parquet"
    return BlockTable(parse_table(found, path), (parse_footer(found, path),))


def _own_files(root: Path, folder: str, trial: str) -> set[str]:
    """Names of the blocks that have a file of their own."""
    names = {Path(entry.path).stem for entry in walk_known_entries(root, folder, trial) if not entry.temporary}
    return names - {MERGED}


def _merged_bytes(tables: Mapping[str, BlockTable], place: str) -> bytes:
    """The merged file, which reads back as it should."""
    rows = pl.concat([table.rows for table in tables.values()])
    footers = [table.footers[0] for table in tables.values()]
    common = {key: value for key, value in footers[0].items() if all(footer.get(key) == value for footer in footers)}
    blocks = {
        name: {
            "rows": len(table.rows),
            "footer": {key: value for key, value in table.footers[0].items() if key not in common},
        }
        for name, table in tables.items()
    }
    data = table_bytes(rows, {"common": common, "blocks": blocks}, place)
    if len(rows) > most_rows(len(data)) or not pl.read_parquet(io.BytesIO(data)).equals(rows):
        raise StoreError(f"cannot merge {place}: it would not be read back")
    return data
