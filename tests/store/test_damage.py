"""Damaged and foreign files of a run are never believed: 10,000 damages of each kind of file, and copies."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from brinell.core import StoreError
from brinell.store import RunStore, frame_of_schema
from brinell.store.content_hash import FIELD, content_hash_fits
from brinell.store.integrity import read_content
from store.whole_run import BLOCK, FAILED, MERGED_BLOCKS, MERGED_TRIAL, PROBE, TRIAL, VARIANT, VARIANT_FILES

DAMAGES = 10_000
OTHER = "f" * 20
OTHER_BLOCK = "0001-2-" + "f" * 10
HASHED = (
    "study.json",
    "environment.json",
    "unhashed.json",
    f"variants/{VARIANT}/manifest.json",
    f"trials/{TRIAL}/{BLOCK}.parquet",
    f"traces/{TRIAL}/{BLOCK}.parquet",
    f"probes/{PROBE}.json",
    f"failures/{FAILED}.json",
    f"trials/{MERGED_TRIAL}/merged.parquet",
    f"traces/{MERGED_TRIAL}/merged.parquet",
)
"""Files that hold their own hash."""
NAMED = (*(f"variants/{VARIANT}/{name}" for name in VARIANT_FILES), f"arrays/{PROBE}.npz")
"""Files whose hash another file holds."""
OLD = Path(__file__).parents[1] / "fixtures" / "run-0"


def damages(content: bytes, seed: int, count: int = DAMAGES) -> Iterator[bytes]:
    """`content` with flipped bits, cut, with parts exchanged, zeroed, doubled or left out; each differs from it."""
    chance = random.Random(seed)  # noqa: S311
    while count:
        data, kind = bytearray(content), chance.randrange(6)
        one, two = sorted(chance.randrange(len(data) + 1) for _ in range(2))
        if kind in (0, 1):
            for _ in range(chance.choice((1, 1, 1, 2, 8))):
                data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        elif kind == 2:
            del data[one:]
        elif kind == 3:
            data = data[two:] + data[one:two] + data[:one]
        elif kind == 4:
            data[one:two] = bytes(two - one)
        elif chance.random() < 0.5:
            data[one:one] = data[one:two]
        else:
            del data[one:two]
        if data != content:
            count -= 1
            yield bytes(data)


def read(store: RunStore, name: str) -> object:
    """What the file says."""
    if name == "study.json":
        return store.plan()
    if name == f"failures/{FAILED}.json":
        failure = store.failures()[FAILED]
        if failure.unsupported or "its record is damaged" in failure.message:
            raise StoreError("damaged")
        return failure
    if name in NAMED[:-1] or name == HASHED[3]:
        folder = "variant.brinell" if name == HASHED[3] else Path(name).name
        return store.variant_file(VARIANT, folder)
    readers: dict[str, Callable[[], object]] = {
        "environment.json": store.environment,
        "unhashed.json": lambda: read_content(store.root, "unhashed.json"),
        HASHED[4]: lambda: store.read_rows(TRIAL, BLOCK),
        HASHED[5]: lambda: store.read_traces(TRIAL, BLOCK),
        HASHED[6]: lambda: store.read_probe(PROBE),
        HASHED[8]: lambda: store.read_rows(MERGED_TRIAL, MERGED_BLOCKS[0]),
        HASHED[9]: lambda: store.read_traces(MERGED_TRIAL, MERGED_BLOCKS[0]),
        NAMED[-1]: lambda: store.read_arrays(PROBE),
    }
    return readers[name]()


def test_every_file_is_read_while_it_is_whole(whole: RunStore) -> None:
    for name in (*HASHED, *NAMED):
        assert read(whole, name) is not None


@pytest.mark.parametrize("name", HASHED)
def test_no_damage_of_a_file_with_a_hash_is_accepted(whole: RunStore, name: str) -> None:
    """Damage to the mark itself, which makes the file look like one of a version without hashes, is read from disk."""
    path = whole.root / name
    content = path.read_bytes()
    assert content_hash_fits(content, name)
    unmarked = []
    for damaged in damages(content, seed=len(name)):
        fits = content_hash_fits(damaged, name)
        assert not fits
        if fits is None:
            unmarked.append(damaged)
    assert unmarked
    for damaged in unmarked[:: max(len(unmarked) // 100, 1)]:
        path.write_bytes(damaged)
        with pytest.raises(StoreError):
            read(whole, name)


@pytest.mark.parametrize("name", NAMED)
def test_no_damage_of_a_file_whose_hash_another_holds_is_accepted(whole: RunStore, name: str) -> None:
    path = whole.root / name
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    found = [damaged for damaged in damages(content, seed=1) if hashlib.sha256(damaged).hexdigest() != digest]
    assert len(found) == DAMAGES
    for damaged in found[::100]:
        path.write_bytes(damaged)
        with pytest.raises(StoreError):
            read(whole, name)
        if name != NAMED[-1]:
            assert not whole.has_whole_variant(VARIANT)


def test_an_emptied_variant_is_not_made(whole: RunStore) -> None:
    for path in whole.variant(VARIANT).iterdir():
        path.unlink()
    assert not whole.has_variant(VARIANT)
    assert not whole.has_whole_variant(VARIANT)


@pytest.mark.parametrize("name", [*VARIANT_FILES, "manifest.json"])
def test_a_variant_that_lacks_a_file_is_not_made(whole: RunStore, name: str) -> None:
    (whole.variant(VARIANT) / name).unlink()
    assert not whole.has_variant(VARIANT)
    with whole.new_variant(VARIANT) as folder:
        (folder / "variant.brinell").write_text("new")
    assert whole.has_whole_variant(VARIANT)
    assert {path.name for path in whole.variant(VARIANT).iterdir()} == {"variant.brinell", "manifest.json"}


def test_copies_of_other_files_are_refused(whole: RunStore) -> None:
    rows = frame_of_schema({"a": [1, 2]}, {"a": "int32"})
    for trial, block in ((OTHER, BLOCK), (TRIAL, OTHER_BLOCK)):
        whole.write_rows(trial, block, rows, {}, rows)
        shutil.copyfile(whole.rows_path(TRIAL, BLOCK), whole.rows_path(trial, block))
        shutil.copyfile(whole.traces_path(TRIAL, BLOCK), whole.traces_path(trial, block))
        for action in (whole.read_rows, whole.rows_footer, whole.read_traces):
            with pytest.raises(StoreError, match="it is damaged, or a copy of another file"):
                action(trial, block)
        assert not whole.has_whole_rows(trial, block)
    shutil.copyfile(whole.rows_path(TRIAL, BLOCK), whole.traces_path(TRIAL, BLOCK))
    with pytest.raises(StoreError, match="a copy of another file"):
        whole.read_traces(TRIAL, BLOCK)
    shutil.copytree(whole.variant(VARIANT), whole.variant(OTHER))
    assert not whole.has_variant(OTHER)
    with pytest.raises(StoreError, match="a copy of another file"):
        whole.costs(OTHER)
    shutil.copyfile(whole.probe_path(PROBE), whole.probe_path(OTHER))
    with pytest.raises(StoreError, match="a copy of another file"):
        whole.read_probe(OTHER)
    whole.write_probe(OTHER, {}, {"image": np.ones(3)})
    shutil.copyfile(whole.arrays_path(PROBE), whole.arrays_path(OTHER))
    assert not whole.has_whole_probe(OTHER)
    with pytest.raises(StoreError, match="of another probe"):
        whole.read_arrays(OTHER)


def test_a_file_does_not_become_old_by_losing_its_hash(whole: RunStore) -> None:
    path = whole.rows_path(TRIAL, BLOCK)
    pl.read_parquet(path).write_parquet(path)
    with pytest.raises(StoreError, match="it has no content hash"):
        whole.read_rows(TRIAL, BLOCK)
    record = json.loads(whole.probe_path(PROBE).read_text())
    del record[FIELD]
    whole.probe_path(PROBE).write_text(json.dumps(record))
    with pytest.raises(StoreError, match="it has no content hash"):
        whole.read_probe(PROBE)


@pytest.mark.parametrize("mark", [FIELD, "format"])
def test_a_plan_does_not_become_old_by_losing_a_mark(whole: RunStore, mark: str) -> None:
    record = json.loads(whole.plan_path.read_text())
    del record[mark]
    whole.plan_path.write_text(json.dumps(record))
    with pytest.raises(StoreError, match=r"study\.json is damaged"):
        whole.plan()


# Runs of versions before hashes


@pytest.fixture
def old(tmp_path: Path) -> RunStore:
    return RunStore(Path(shutil.copytree(OLD, tmp_path / "old")))


def is_whole(store: RunStore) -> bool:
    plan = store.plan()
    rows = [store.has_whole_rows(trial.key, block.name) for trial in plan.trials for block in trial.blocks]
    variants = [store.has_variant(one.key) and store.has_whole_variant(one.key) for one in plan.variants]
    probes = [store.has_whole_probe(probe.key) for probe in plan.probes]
    return all((*rows, *variants, *probes))


def test_an_old_run_is_read_before_and_after_it_is_resumed(old: RunStore) -> None:
    assert is_whole(old)
    assert not (old.root / "unhashed.json").exists()
    for _ in range(2):
        old.write_study("", old.plan(), old.environment())
        assert is_whole(old)
        assert old.environment()
    files = json.loads((old.root / "unhashed.json").read_text())["files"]
    there = {"variants", "trials", "traces", "probes", "arrays"}
    assert set(files) == {
        path.relative_to(old.root).as_posix()
        for path in old.root.rglob("*")
        if path.is_file() and path.relative_to(old.root).parts[0] in there
    }


def test_a_copy_of_another_trials_old_rows_is_refused(old: RunStore) -> None:
    one, two = old.plan().trials[:2]
    shutil.copyfile(old.rows_path(one.key, one.blocks[0].name), old.rows_path(two.key, two.blocks[0].name))
    with pytest.raises(StoreError, match="a copy of another trial's"):
        old.read_rows(two.key, two.blocks[0].name)


@pytest.mark.parametrize("folder", ["variants", "trials", "traces", "probes", "arrays"])
def test_damage_of_an_old_file_is_found_once_it_is_resumed(old: RunStore, folder: str) -> None:
    old.write_study("", old.plan(), {})
    path = next(path for path in sorted((old.root / folder).rglob("*")) if path.is_file())
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)
    if folder == "traces":
        with pytest.raises(StoreError, match="no content hash"):
            old.read_traces(path.parent.name, path.stem)
    else:
        assert not is_whole(old)


def test_a_list_of_old_files_that_is_damaged_is_not_believed(old: RunStore) -> None:
    old.write_study("", old.plan(), {})
    path = old.root / "unhashed.json"
    path.write_bytes(path.read_bytes().replace(b"trials", b"tr1als", 1))
    assert not is_whole(old)
