"""A run in few files, for a repository or a download: its tables merged, and no images of the data."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any, Final

import polars as pl

from brinell.core import StoreError, StudyPlan, read_regular_file
from brinell.store.atomic import atomic_folder, make_folder, write_bytes
from brinell.store.content_hash import content_hash_fits
from brinell.store.integrity import MOST_FILE_BYTES, parse_object, read_content, read_plan
from brinell.store.merged_tables import block_place
from brinell.store.run import RunStore
from brinell.store.safe_paths import exists, safe_path
from brinell.store.tables import parse_table, write_table
from brinell.store.variant_files import copy_manifest, has_variant, variant_file, variant_file_names

_NETWORK: Final = "variant.brinell"
_LATENT: Final = "latent.safetensors"
_BLOCKS: Final = "blocks.parquet"
"""What made each block; its presence tells an archive."""
_MERGED: Final = {"trials": "rows.parquet", "traces": "traces.parquet"}
_BLOCK_SCHEMA: Final = {"trial": pl.String, "block": pl.String, "traced": pl.Boolean, "footer": pl.String}


def write_archive(run: Path, folder: Path, *, networks: bool = True) -> list[str]:
    """Write what a report needs of `run` to the new folder `folder`.

    The rows of all blocks are one table, their traces another. Left out are probes' arrays, which hold images of the
    data, latent weights, checkpoints, and whatever is damaged.

    Args:
        run: Folder of a run, which may be at work.
        folder: Folder that is missing or empty.
        networks: Whether the packed networks are included.

    Returns:
        What of the run is damaged and therefore left out, in sentences.

    Raises:
        StoreError: `run` is none, or its plan is damaged; `folder` holds something, or cannot be written.
    """
    store, problems = RunStore.open(run), list[str]()
    plan = store.plan()
    _check_empty(folder)
    with atomic_folder(folder) as made:
        _copy_records(run, made, plan, networks, problems)
        _write_tables(store, plan, made, problems)
        if folder.exists():  # empty, as was checked
            folder.rmdir()
    return problems


def restore_archive(archive: Path, run: Path) -> None:
    """Make the folder of a run, with a file a block, of what `write_archive` wrote.

    Its report can be drawn. Running its study again makes what the archive does not hold.

    Args:
        archive: Folder that `write_archive` wrote.
        run: Folder that is missing or empty.

    Raises:
        StoreError: `archive` is none or is damaged; `run` holds something, or cannot be written.
    """
    if not (archive / _BLOCKS).is_file():
        raise StoreError(f"{archive} is not an archive (it holds no {_BLOCKS}); `brinell archive RUN FOLDER` makes one")
    plan = RunStore.open(archive).plan()
    _check_empty(run)
    with atomic_folder(run) as made:
        problems: list[str] = []
        _copy_records(archive, made, plan, networks=True, problems=problems)
        if problems:
            raise StoreError(f"{archive} is damaged: {problems[0]}")
        _split_tables(archive, RunStore(made))
        if run.exists():
            run.rmdir()


def _check_empty(folder: Path) -> None:
    try:
        names = sorted(path.name for path in folder.iterdir())
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreError(f"cannot write {folder}: {error.strerror}") from error
    if names:
        raise StoreError(f"{folder} holds {names[0]!r:.100}; accepted: a new or empty folder")


def _copy_records(source: Path, target: Path, plan: StudyPlan, networks: bool, problems: list[str]) -> None:
    """Copy every file but tables and arrays with the hash that it has, each after a check of it."""
    write_bytes(target / "study.json", read_plan(source))
    for name in ("study.yaml", "environment.json", "unhashed.json"):
        if exists(source, name):
            _copy(source, target, (name,), problems, hashed=name.endswith(".json"))
    left_out = {_LATENT} if networks else {_LATENT, _NETWORK}
    for variant in plan.variants:
        _copy_variant(source, target, variant.key, left_out, problems)
    for probe in plan.probes:
        if exists(source, "probes", f"{probe.key}.json"):
            _copy(source, target, ("probes", f"{probe.key}.json"), problems, hashed=True)
    for task in RunStore(source).failures():
        _copy(source, target, ("failures", f"{task}.json"), problems, hashed=True)


def _copy_variant(source: Path, target: Path, key: str, left_out: Collection[str], problems: list[str]) -> None:
    """Copy a variant's files but those of `left_out`, which its manifest then names; one that is damaged is no use."""
    try:
        if not exists(source, "variants", key):
            return
        if not has_variant(source, key):
            raise StoreError(f"cannot read {safe_path(source, 'variants', key)}: a file of the variant is missing")
        names = variant_file_names(source, key)
        copied = [name for name in names if name not in left_out and exists(source, "variants", key, name)]
        for name in copied:
            variant_file(source, key, name)  # its hash is checked
    except StoreError as error:
        problems.append(str(error))
        return
    for name in copied:
        _copy(source, target, ("variants", key, name), problems)
    copy_manifest(source, target, key, left_out={*names} - {*copied})


def _copy(source: Path, target: Path, parts: tuple[str, ...], problems: list[str], *, hashed: bool = False) -> None:
    try:
        data = read_content(source, *parts) if hashed else read_regular_file(safe_path(source, *parts), MOST_FILE_BYTES)
    except (OSError, StoreError) as error:
        problems.append(str(error))
        return
    place = target.joinpath(*parts)
    make_folder(place.parent)
    write_bytes(place, data)


def _write_tables(store: RunStore, plan: StudyPlan, target: Path, problems: list[str]) -> None:
    blocks: list[tuple[str, str, bool, str]] = []
    tables: dict[str, list[pl.DataFrame]] = {"trials": [], "traces": []}
    for trial in plan.trials:
        for block in trial.blocks:
            if not store.has_rows(trial.key, block.name):
                continue
            named = (pl.lit(trial.key).alias("trial"), pl.lit(block.name).alias("block"))
            traced = block_place(store.root, "traces", trial.key, block.name) is not None
            try:
                rows, footer = store.read_rows(trial.key, block.name), store.rows_footer(trial.key, block.name)
                traces = store.read_traces(trial.key, block.name) if traced else None
            except StoreError as error:
                if str(error) not in problems:  # of a merged file once, however many blocks it holds
                    problems.append(str(error))
                continue
            tables["trials"].append(rows.select(*named, pl.all()))
            if traces is not None:
                tables["traces"].append(traces.select(*named, pl.all()))
            blocks.append((trial.key, block.name, traced, json.dumps(footer, sort_keys=True)))
    for folder, name in _MERGED.items():
        if tables[folder]:
            write_table(target / name, pl.concat(tables[folder], how="diagonal"), {}, name)
    write_table(target / _BLOCKS, pl.DataFrame(blocks, schema=_BLOCK_SCHEMA, orient="row"), {}, _BLOCKS)


def _split_tables(archive: Path, store: RunStore) -> None:
    blocks = _read_merged(archive, _BLOCKS)
    if dict(blocks.schema) != _BLOCK_SCHEMA or blocks.select(pl.any_horizontal(pl.all().is_null().any())).item():
        raise StoreError(f"{archive / _BLOCKS} is damaged: it has not the columns {', '.join(_BLOCK_SCHEMA)}")
    rows, traces = (_by_block(archive, name) for name in _MERGED.values())
    for trial, block, traced, footer in blocks.iter_rows():
        missing = (trial, block) not in rows or (traced and (trial, block) not in traces)
        if missing:
            raise StoreError(f"{archive} is damaged: its tables have no block {block} of the trial {trial}")
        kept = traces[trial, block] if traced else None
        store.write_rows(trial, block, rows[trial, block], parse_object(footer.encode(), archive / _BLOCKS), kept)


def _by_block(archive: Path, name: str) -> dict[tuple[Any, ...], pl.DataFrame]:
    if not (archive / name).exists():
        return {}
    table = _read_merged(archive, name)
    if table.columns[:2] != ["trial", "block"]:
        raise StoreError(f"{archive / name} is damaged: it does not begin with the columns trial, block")
    return table.partition_by("trial", "block", as_dict=True, include_key=False)


def _read_merged(archive: Path, name: str) -> pl.DataFrame:
    path = archive / name
    try:
        data = read_regular_file(path, MOST_FILE_BYTES)
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror or error}") from error
    if not content_hash_fits(data, name):
        raise StoreError(f"{path} is damaged: its content is not what was written there")
    return parse_table(data, path)
