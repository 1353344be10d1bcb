"""A run's folder: what is written is read back, and what exists is done."""

from __future__ import annotations

import errno
import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from brinell.core import StoreError, StudyPlan
from brinell.store import Failure, Running, RunStore, frame_of_schema
from brinell.store.layout import temporary_name
from store.rewriting import renew_hash

PLAN = StudyPlan(
    name="s",
    classes=2,
    class_names=("no", "yes"),
    dataset="digits",
    fingerprint="f",
    examples=5,
    config={"x": 1},
    variants=(),
    trials=(),
)
KEY, OTHER = "0" * 19 + "a", "0" * 19 + "b"
BLOCK = "0000-2-" + "c" * 10
FAILURE = Failure(KEY, "prune", "it diverged", "Traceback ...", unsupported=False)
RUNNING = Running(KEY, "prune", 1.5, 3.0, 100.0, 101.0)


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    """A run's folder with a study in it."""
    store = RunStore(tmp_path / "run")
    store.write_study("name: s\n", PLAN, {"torch": "2"})
    return store


def test_the_study_is_kept_as_written_and_as_resolved(store: RunStore) -> None:
    again = RunStore.open(store.root)
    assert again == store
    assert (again.root / "study.yaml").read_text() == "name: s\n"
    assert again.plan() == PLAN
    assert again.environment() == {"torch": "2"}


def test_a_folder_without_a_study_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is not a run's folder"):
        RunStore.open(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": "s"}', "\xff"])
def test_a_damaged_plan_is_a_clear_error(store: RunStore, text: str) -> None:
    store.plan_path.write_text(text, encoding="latin-1")
    with pytest.raises(StoreError, match=r"study\.json is damaged") as error:
        store.plan()
    assert "b'" not in str(error.value)


def test_a_damaged_plan_is_not_quoted_whole(store: RunStore) -> None:
    text = store.plan_path.read_text()
    store.plan_path.write_text(text.replace('"digits"', json.dumps(["digits"] * 10_000)))
    renew_hash(store.plan_path)
    with pytest.raises(StoreError, match=r"study\.json is damaged: dataset: .*… \([\d,]+ characters\)$") as error:
        store.plan()
    assert len(str(error.value)) < 300 + len(str(store.root))


def test_a_variant_is_made_when_its_folder_is_there(store: RunStore) -> None:
    assert not store.has_variant(KEY)
    assert store.costs(KEY) is None
    with store.new_variant(KEY) as folder:
        (folder / "costs.json").write_text(json.dumps({"macs": 3}))
        assert not store.has_variant(KEY)
    assert store.has_variant(KEY)
    assert store.costs(KEY) == {"macs": 3}


@pytest.mark.parametrize("text", ["{", "3", "\udcff"])
def test_damaged_costs_are_a_clear_error(store: RunStore, text: str) -> None:
    with store.new_variant(KEY) as folder:
        (folder / "costs.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(StoreError, match=r"costs\.json"):
        store.costs(KEY)


def test_rows_say_that_a_block_is_done_and_come_after_its_traces(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = frame_of_schema({"a": [1, 2]}, {"a": "int32"})
    traces = frame_of_schema({"b": [3]}, {"b": "int32"})
    assert not store.has_rows(KEY, BLOCK)
    with monkeypatch.context() as patch:
        patch.setattr(RunStore, "rows_path", lambda self, trial, block: self.root / "study.json" / "no folder")
        with pytest.raises(StoreError):
            store.write_rows(KEY, BLOCK, rows, {"seed": 1}, traces)
    assert store.traces_path(KEY, BLOCK).is_file()
    assert not store.has_rows(KEY, BLOCK)
    store.write_rows(KEY, BLOCK, rows, {"seed": 1}, traces)
    assert store.has_rows(KEY, BLOCK)
    assert store.read_rows(KEY, BLOCK).equals(rows)
    assert store.read_traces(KEY, BLOCK).equals(traces)
    assert store.has_whole_rows(KEY, BLOCK)
    path = store.rows_path(KEY, BLOCK)
    path.write_bytes(path.read_bytes()[:-1])
    assert store.has_rows(KEY, BLOCK)
    assert not store.has_whole_rows(KEY, BLOCK)
    assert not store.has_whole_rows(OTHER, BLOCK)


def test_failures_are_kept_until_cleared(store: RunStore) -> None:
    assert store.failures() == {}
    store.write_failure(FAILURE)
    store.write_failure(replace(FAILURE, task=OTHER, unsupported=True))
    assert store.failures() == {KEY: FAILURE, OTHER: replace(FAILURE, task=OTHER, unsupported=True)}
    store.clear_failure(KEY)
    store.clear_failure("d" * 20)
    assert list(store.failures()) == [OTHER]


def test_what_runs_is_told_and_forgotten(store: RunStore) -> None:
    store.write_running(RUNNING)
    store.write_running(replace(RUNNING, done=2.0))
    assert store.running() == {KEY: replace(RUNNING, done=2.0)}
    store.clear_running(KEY)
    store.clear_running(KEY)
    assert store.running() == {}


def test_progress_that_cannot_be_told_stops_nothing(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    store.write_running(RUNNING)
    assert store.running() == {}


def test_a_failure_is_one_whatever_its_record_holds(store: RunStore) -> None:
    store.write_failure(FAILURE)
    folder = store.root / "failures"
    half, older, later, moved = (letter * 20 for letter in "1234")
    (folder / f"{half}.json").write_text("{")
    (folder / f"{older}.json").write_text(json.dumps({"task": older, "message": "the disk was full"}))
    (folder / f"{later}.json").write_text(json.dumps({**asdict(FAILURE), "task": later, "since": "version 9"}))
    (folder / f"{moved}.json").write_text(json.dumps({**asdict(FAILURE), "task": "../../secret"}))
    for name in (older, later, moved):
        renew_hash(folder / f"{name}.json")
    (folder / ".tmp-1.json").write_text("{")
    (folder / "notes.json").write_text("{")
    found = store.failures()
    assert set(found) == {KEY, half, older, later, moved}
    assert found[later] == replace(FAILURE, task=later)
    assert found[older].message == "the disk was full (its record is damaged: no label)"
    assert found[moved].task == moved
    assert found[half].message.startswith("it is not known why (its record is damaged: cannot read")


def test_what_runs_is_passed_over_where_its_record_is_odd(store: RunStore) -> None:
    store.write_running(RUNNING)
    folder = store.root / "scratch" / "running"
    (folder / f"{'1' * 20}.json").write_text("{")
    (folder / f"{'2' * 20}.json").write_text(json.dumps({"task": "2" * 20}))
    (folder / f"{'3' * 20}.json").write_text(json.dumps({**asdict(RUNNING), "task": "3" * 20, "done": "some"}))
    assert store.running() == {KEY: RUNNING}


def test_a_new_run_sweeps_what_a_killed_one_left(store: RunStore) -> None:
    store.write_running(RUNNING)
    half = store.root / "trials" / KEY / temporary_name(f"{BLOCK}.parquet")
    half.parent.mkdir(parents=True)
    half.write_text("half")
    checkpoint = store.scratch(KEY) / "training.safetensors"
    checkpoint.write_text("kept: training goes on from it")
    with store.lock():
        assert store.running() == {}
        assert not half.exists()
        assert checkpoint.is_file()


def test_in_use_while_a_run_holds_the_lock(store: RunStore) -> None:
    assert not store.in_use
    with store.lock():
        assert store.in_use
    assert not store.in_use


def test_two_runs_on_one_folder_are_refused(store: RunStore) -> None:
    with store.lock(), pytest.raises(StoreError, match="is in use by process"), RunStore(store.root).lock():
        pass


def test_checkpoints_go_when_the_variant_is_made(store: RunStore) -> None:
    (store.scratch(KEY) / "training.safetensors").write_text("x")
    store.clear_scratch(KEY)
    assert not (store.root / "scratch" / KEY).exists()


def test_a_probe_is_done_when_its_record_is_there(tmp_path):
    store = RunStore(tmp_path)
    assert not store.has_probe(KEY)
    store.write_probe(KEY, {"masked": True}, {"image": np.arange(6, dtype=np.uint8).reshape(1, 2, 3)})
    assert store.has_probe(KEY)
    assert store.read_probe(KEY) == {"masked": True}
    assert store.read_arrays(KEY)["image"].tolist() == [[[0, 1, 2], [3, 4, 5]]]
    store.arrays_path(KEY).write_bytes(store.arrays_path(KEY).read_bytes()[:50])
    for damage in (b"", b"PK", b"\x93NUMPY", None):
        if damage is not None:
            store.arrays_path(KEY).write_bytes(damage)
        with pytest.raises(StoreError, match="arrays"):
            store.read_arrays(KEY)


def test_arrays_are_never_unpickled(tmp_path):
    store = RunStore(tmp_path)
    store.arrays_path(KEY).parent.mkdir()
    np.savez(store.arrays_path(KEY), bad=np.array([{"a": 1}], dtype=object))
    digest = hashlib.sha256(store.arrays_path(KEY).read_bytes()).hexdigest()
    store.write_probe(KEY, {"arrays_sha256": digest})
    with pytest.raises(StoreError, match=r"cannot read the arrays .*: the file is damaged \(Object arrays"):
        store.read_arrays(KEY)
