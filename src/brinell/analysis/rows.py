"""Rows of one trial: every block that is there and can be trusted; what cannot is left out and said."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import polars as pl

from brinell.analysis.checks import check_rows, check_traces, planned_rows
from brinell.core import ROW_SCHEMA, TRACE_SCHEMA, Block, BrinellError, PlannedTrial, StoreError
from brinell.store import RunStore
from brinell.store.merged_tables import block_place, read_blocks

_TYPES = {
    "int32": pl.Int32(),
    "int64": pl.Int64(),
    "float32": pl.Float32(),
    "float64": pl.Float64(),
    "string": pl.String(),
}
_MOST_TRACES: Final = 10_000_000
"""Rows of a trial's traces together, which no plan says."""


@dataclass(frozen=True)
class Read:
    """What a trial's files gave; `problems` are sentences about those that gave nothing."""

    frame: pl.DataFrame
    problems: tuple[str, ...] = ()
    footers: tuple[Mapping[str, Any], ...] = ()
    """What made the rows, a footer for each block."""


def read_rows(store: RunStore, trial: PlannedTrial, classes: int) -> Read:
    """The trial's rows, `ROW_SCHEMA`."""
    whole = partial(_all_rows, store, trial, classes)
    return _read(store, trial, ROW_SCHEMA, whole, partial(_block_rows, store, trial, classes), "trials")


def read_traces(store: RunStore, trial: PlannedTrial) -> Read:
    """The trial's traces, `TRACE_SCHEMA`; none where none were asked for."""
    if trial.trace_every is None:
        return Read(conform(pl.DataFrame(), TRACE_SCHEMA))
    whole = partial(_all_traces, store, trial)
    return _read(store, trial, TRACE_SCHEMA, whole, partial(_block_traces, store, trial), "traces")


def has_valid_block(store: RunStore, trial: PlannedTrial, block: Block, classes: int) -> bool:
    """Whether the block's rows, and its traces if it has them, are there and whole; what is damaged is made again."""
    if not store.has_rows(trial.key, block.name):
        return False
    try:
        _block_rows(store, trial, classes, block)
        if trial.trace_every is not None:
            _block_traces(store, trial, block)
    except StoreError:
        return False
    return True


def _all_rows(store: RunStore, trial: PlannedTrial, classes: int) -> Read:
    """All blocks at once; raises `StoreError` where one of them is missing or wrong."""
    most = sum(planned_rows(trial, block) for block in trial.blocks)
    table = read_blocks(store.root, "trials", trial.key, [block.name for block in trial.blocks], most)
    frame = conform(table.rows, ROW_SCHEMA)
    check_rows(frame, trial, trial.blocks, classes)
    return Read(frame, footers=table.footers)


def _all_traces(store: RunStore, trial: PlannedTrial) -> Read:
    """As `_all_rows`."""
    names = [block.name for block in trial.blocks]
    table = read_blocks(store.root, "traces", trial.key, names, _MOST_TRACES)
    frame = conform(table.rows, TRACE_SCHEMA)
    check_traces(frame, trial)
    return Read(frame)


def _block_rows(store: RunStore, trial: PlannedTrial, classes: int, block: Block) -> Read:
    frame = conform(store.read_rows(trial.key, block.name), ROW_SCHEMA)
    check_rows(frame, trial, (block,), classes)
    return Read(frame, footers=(store.rows_footer(trial.key, block.name),))


def _block_traces(store: RunStore, trial: PlannedTrial, block: Block) -> Read:
    frame = conform(store.read_traces(trial.key, block.name), TRACE_SCHEMA)
    check_traces(frame, trial)
    return Read(frame)


def _read(
    store: RunStore,
    trial: PlannedTrial,
    schema: dict[str, str],
    read_all: Callable[[], Read],
    read: Callable[[Block], Read],
    folder: str,
) -> Read:
    """All blocks at once where they are all there and right, and otherwise one after the other."""
    if len(trial.blocks) > 1:
        with suppress(StoreError):
            return read_all()
    found = [Read(conform(pl.DataFrame(), schema))]
    problems: dict[str, None] = {}  # one for a merged file, however many blocks it holds
    for block in trial.blocks:
        try:
            if store.has_rows(trial.key, block.name):
                found.append(read(block))
        except BrinellError as error:
            place = _place(store, folder, trial, block)
            reason = first_line(store, error).removeprefix(f"cannot read the table {place}: ")
            problems[f"{place} is left out: {reason}"] = None
    footers = tuple(footer for each in found for footer in each.footers)
    return Read(pl.concat([each.frame for each in found]), tuple(problems), footers)


def _place(store: RunStore, folder: str, trial: PlannedTrial, block: Block) -> str:
    """The file that holds the block, or should."""
    with suppress(StoreError):  # its folder cannot be read
        if (place := block_place(store.root, folder, trial.key, block.name)) is not None:
            return place
    return f"{folder}/{trial.key}/{block.name}.parquet"


def conform(frame: pl.DataFrame, schema: dict[str, str]) -> pl.DataFrame:
    """`frame` with exactly the schema's columns and types; a frame without columns is an empty table.

    A column that may be null is null throughout where it is missing: rows may be older than the column.

    Raises:
        StoreError: a column is missing, of another type, or null where it may not be: another version wrote it.
    """
    types = {name: _TYPES[kind.removesuffix("?")] for name, kind in schema.items()}
    if not frame.columns:
        return pl.DataFrame(schema=types)
    if missing := [name for name, kind in schema.items() if name not in frame.columns and not kind.endswith("?")]:
        raise StoreError(f"it lacks the columns {', '.join(missing)}: another version wrote it")
    try:
        frame = frame.select(
            pl.col(name).cast(kind) if name in frame.columns else pl.lit(None, dtype=kind).alias(name)
            for name, kind in types.items()
        )
    except pl.exceptions.PolarsError as error:
        raise StoreError(f"its columns are of another type: {error}") from error
    if holes := [name for name, kind in schema.items() if not kind.endswith("?") and frame[name].null_count()]:
        raise StoreError(f"it has gaps in {', '.join(holes)}")
    return frame


def first_line(store: RunStore, error: BrinellError) -> str:
    """An error's first line, with paths as seen from the run's folder."""
    return str(error).replace(f"{store.root}/", "").splitlines()[0]
