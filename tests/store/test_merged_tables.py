"""The blocks of a trial in one file: whatever moment a merge is killed at, each block is there, and there once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from brinell.core import StoreError
from brinell.store import RunStore, frame_of_schema, merged_tables, write_table
from brinell.store.merged_tables import block_place, merge_trial, read_blocks, whole_blocks
from store.whole_run import MERGED_BLOCKS, MERGED_TRIAL, PLAN

TRIAL = "a" * 20
BLOCKS = [f"{number:04}-2-{number:010x}" for number in range(5)]


class KilledError(Exception):
    """Stands for the end of the process."""


def rows_of(number: int) -> pl.DataFrame:
    return frame_of_schema({"a": [2 * number, 2 * number + 1], "b": ["x", None]}, {"a": "int32", "b": "string?"})


def footer_of(number: int) -> dict[str, Any]:
    return {"block": {"name": BLOCKS[number]}, "environment": {"torch": "2"}, "computation": {"gradients": number}}


def write(store: RunStore, *numbers: int, traces: bool = True) -> None:
    for number in numbers:
        store.write_rows(TRIAL, BLOCKS[number], rows_of(number), footer_of(number), rows_of(number) if traces else None)


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    store = RunStore(tmp_path / "run")
    store.write_study("", PLAN, {})
    write(store, *range(5))
    return store


def files(store: RunStore, folder: str = "trials") -> set[str]:
    return {path.name for path in (store.root / folder / TRIAL).iterdir()}


def check_whole(store: RunStore) -> None:
    """Every block is there once, by each way of reading."""
    for number, block in enumerate(BLOCKS):
        assert store.has_rows(TRIAL, block)
        assert store.has_whole_rows(TRIAL, block)
        assert store.read_rows(TRIAL, block).equals(rows_of(number))
        assert store.read_traces(TRIAL, block).equals(rows_of(number))
        assert store.rows_footer(TRIAL, block) == footer_of(number)
    together = read_blocks(store.root, "trials", TRIAL, BLOCKS, 10)
    assert together.rows.equals(pl.concat([rows_of(number) for number in range(5)]))
    assert list(together.footers) == [footer_of(number) for number in range(5)]
    assert whole_blocks(store.root, "trials", TRIAL, BLOCKS) == set(BLOCKS)


def test_merged_blocks_read_as_they_did(store: RunStore) -> None:
    check_whole(store)
    assert merge_trial(store.root, TRIAL, BLOCKS)
    assert files(store) == files(store, "traces") == {"merged.parquet"}
    check_whole(store)
    assert not merge_trial(store.root, TRIAL, BLOCKS)  # it is done
    check_whole(store)


@pytest.mark.parametrize("removed", range(11))
def test_a_merge_that_is_killed_loses_nothing_and_counts_nothing_twice(
    store: RunStore, monkeypatch: pytest.MonkeyPatch, removed: int
) -> None:
    """Killed before its first removal, and before each further one; the traces are merged first."""
    left = [removed]
    unlink = Path.unlink

    def killed(path: Path, missing_ok: bool = False) -> None:
        if path.name != "merged.parquet" and not path.name.startswith("."):
            if not left[0]:
                raise KilledError
            left[0] -= 1
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", killed)
    if removed < 10:
        with pytest.raises(KilledError):
            merge_trial(store.root, TRIAL, BLOCKS)
        assert len(files(store)) + len(files(store, "traces")) == 10 + (1 if removed < 5 else 2) - removed
    else:
        merge_trial(store.root, TRIAL, BLOCKS)
    check_whole(store)
    monkeypatch.undo()
    merge_trial(store.root, TRIAL, BLOCKS)
    check_whole(store)
    assert files(store) == files(store, "traces") == {"merged.parquet"}


@pytest.mark.parametrize("folder", ["traces", "trials"])
def test_a_merge_that_is_killed_while_it_writes_leaves_the_blocks(
    store: RunStore, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    write_bytes = merged_tables.write_bytes

    def killed(path: Path, data: bytes) -> None:
        if path.parent.parent.name == folder:
            path.with_name(f".tmp-brinell-1-{'0' * 16}-merged.parquet").write_bytes(data[:100])
            raise KilledError
        write_bytes(path, data)

    monkeypatch.setattr(merged_tables, "write_bytes", killed)
    with pytest.raises(KilledError):
        merge_trial(store.root, TRIAL, BLOCKS)
    check_whole(store)
    monkeypatch.undo()
    with store.lock():
        assert not any(name.startswith(".") for name in files(store, folder))
        merge_trial(store.root, TRIAL, BLOCKS)
    check_whole(store)


def test_blocks_that_come_later_are_added(store: RunStore) -> None:
    for path in (store.rows_path(TRIAL, BLOCKS[4]), store.traces_path(TRIAL, BLOCKS[4])):
        path.unlink()
    assert not merge_trial(store.root, TRIAL, BLOCKS)  # one is missing
    assert len(files(store)) == 4
    assert merge_trial(store.root, TRIAL, BLOCKS[:4])
    assert not store.has_rows(TRIAL, BLOCKS[4])
    assert whole_blocks(store.root, "trials", TRIAL, BLOCKS) == set(BLOCKS[:4])
    write(store, 4)
    check_whole(store)
    assert merge_trial(store.root, TRIAL, BLOCKS)
    check_whole(store)


def test_blocks_of_another_plan_are_kept(store: RunStore) -> None:
    merge_trial(store.root, TRIAL, BLOCKS)
    write(store, 0)
    assert merge_trial(store.root, TRIAL, BLOCKS[:4])
    check_whole(store)


def test_few_blocks_keep_their_files(store: RunStore) -> None:
    assert not merge_trial(store.root, TRIAL, BLOCKS[:3])
    assert len(files(store)) == 5


def test_a_block_that_is_made_again_counts_and_the_merged_one_stands_in_for_a_damaged_file(store: RunStore) -> None:
    merge_trial(store.root, TRIAL, BLOCKS)
    store.write_rows(TRIAL, BLOCKS[2], rows_of(7), footer_of(2))
    assert store.read_rows(TRIAL, BLOCKS[2]).equals(rows_of(7))
    store.rows_path(TRIAL, BLOCKS[2]).write_bytes(b"PAR1 and nothing")
    check_whole(store)
    merge_trial(store.root, TRIAL, BLOCKS)
    check_whole(store)


def test_a_damaged_merged_file_is_named_and_replaced_by_blocks_that_are_made_again(store: RunStore) -> None:
    merge_trial(store.root, TRIAL, BLOCKS)
    path = store.root / "trials" / TRIAL / "merged.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert block_place(store.root, "trials", TRIAL, BLOCKS[0]) == f"trials/{TRIAL}/merged.parquet"
    assert whole_blocks(store.root, "trials", TRIAL, BLOCKS) == set()
    with pytest.raises(StoreError, match=r"merged\.parquet"):
        store.read_rows(TRIAL, BLOCKS[0])
    write(store, 0, 1, 2, 3)
    assert not merge_trial(store.root, TRIAL, BLOCKS)
    assert store.read_rows(TRIAL, BLOCKS[0]).equals(rows_of(0))
    write(store, 4)
    assert merge_trial(store.root, TRIAL, BLOCKS)
    check_whole(store)


def test_a_damaged_block_is_never_merged(store: RunStore) -> None:
    store.rows_path(TRIAL, BLOCKS[1]).write_bytes(b"PAR1 and nothing")
    assert not merge_trial(store.root, TRIAL, BLOCKS)
    assert len(files(store)) == 5


def test_a_copy_of_another_trials_merged_file_is_refused(store: RunStore) -> None:
    merge_trial(store.root, TRIAL, BLOCKS)
    other = store.root / "trials" / ("b" * 20)
    other.mkdir()
    (other / "merged.parquet").write_bytes((store.root / "trials" / TRIAL / "merged.parquet").read_bytes())
    with pytest.raises(StoreError, match="a copy of another file"):
        store.read_rows("b" * 20, BLOCKS[0])


def test_more_rows_than_planned_are_refused(store: RunStore) -> None:
    for merged in (False, True):
        if merged:
            merge_trial(store.root, TRIAL, BLOCKS)
        with pytest.raises(StoreError, match="more than 9 rows"):
            read_blocks(store.root, "trials", TRIAL, BLOCKS, 9)


@pytest.mark.parametrize(
    "footer",
    [
        {},
        {"common": {}, "blocks": {BLOCKS[0]: {"rows": 11}}},
        {"common": {}, "blocks": {BLOCKS[0]: {"rows": -1}}},
        {"common": {}, "blocks": {BLOCKS[0]: {"rows": 9}}},
        {"common": {}, "blocks": {BLOCKS[0]: []}},
        {"common": [], "blocks": {}},
    ],
)
def test_a_strangers_merged_file_is_refused_where_its_footer_does_not_fit(store: RunStore, footer: Any) -> None:
    merge_trial(store.root, TRIAL, BLOCKS)
    rows = pl.concat([rows_of(number) for number in range(5)])
    place = f"trials/{TRIAL}/merged.parquet"
    write_table(store.root / place, rows, footer, place)
    with pytest.raises(StoreError, match=r"footer does not say|of no block"):
        store.read_rows(TRIAL, BLOCKS[0])


def test_the_merged_trial_of_the_whole_run_is_read(whole: RunStore) -> None:
    assert whole.read_rows(MERGED_TRIAL, MERGED_BLOCKS[1])["a"].to_list() == [2, 3]
