"""A run's folder of a stranger: no name, link or pipe in it makes the tool read, write or delete outside of it."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from brinell.core import StoreError
from brinell.store import Failure, Running, RunStore
from reporting.fake_run import fake_plan
from store.whole_run import BLOCK, FILES, FOLDERS, TRIAL, VARIANT, actions, contents, write_whole_run

KEYS = (
    "../../secret",
    "..",
    ".",
    "",
    "/etc/passwd",
    "a\0b",
    "0" * 19,
    "0" * 21,
    "A" * 20,
    "0" * 20 + "\n",
    "0" * 20 + "/../" + "0" * 20,
    "running",
    "\ud800" * 20,
)


@pytest.fixture
def impatient() -> Iterator[None]:
    """Whoever waits at a pipe fails."""

    def fail(*_: object) -> None:
        raise AssertionError("it waits")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("key", KEYS, ids=repr)
def test_a_key_is_checked_before_it_is_a_path(key: str, whole: RunStore, tmp_path: Path) -> None:
    store, before = whole, contents(tmp_path)
    methods = [
        *(lambda method=method: method(key) for method in (
            store.variant, store.has_variant, store.costs, store.figures, store.probe_path, store.arrays_path,
            store.has_probe, store.read_probe, store.read_arrays, store.scratch, store.clear_failure,
            store.clear_running,
        )),
        lambda: store.clear_scratch(key),
        lambda: store.variant_file(key, "costs.json"),
        lambda: store.variant_file(VARIANT, key),
        lambda: store.new_variant(key),
        *(lambda method=method: method(key, BLOCK) for method in (
            store.rows_path, store.traces_path, store.has_rows, store.has_whole_rows, store.read_rows, store.read_traces
        )),
        *(lambda method=method: method(TRIAL, key) for method in (
            store.rows_path, store.traces_path, store.has_rows, store.has_whole_rows, store.read_rows, store.read_traces
        )),
        lambda: store.write_probe(key, {}, {}),
        lambda: store.write_failure(Failure(key, "", "", "", unsupported=False)),
        lambda: store.write_running(Running(key, "", 0.0, 0.0, 0.0, 0.0)),
    ]  # fmt: skip
    for index, method in enumerate(methods):
        if key == "running" and index in (9, 12):
            continue  # `scratch/running` is a folder of a run
        with pytest.raises(StoreError, match="is no name for an entry of"):
            method()
    assert contents(tmp_path) == before


KEYED = ("key", "parent", "baseline", "judged_on", "crafted_on")


def fields(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where a plan has a key or a block's name."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from fields(inner, (*path, name))
    elif isinstance(value, list) and value:
        yield from fields(value[0], (*path, 0))
    elif path[-1] in KEYED or path[-3:] == ("blocks", 0, "name"):
        yield path


def plan_with(path: tuple[Any, ...], key: object) -> str:
    plan: Any = fake_plan().model_dump(mode="json")
    *above, last = path
    place = plan
    for step in above:
        place = place[step]
    place[last] = key
    return json.dumps(plan)


PLACES = sorted(fields(fake_plan().model_dump(mode="json")), key=str)


def test_a_plan_has_so_many_kinds_of_keys() -> None:
    assert {path[-1] for path in PLACES} == {"key", "parent", "baseline", "judged_on", "crafted_on", "name"}


@pytest.mark.parametrize("key", KEYS[:-1], ids=repr)
@pytest.mark.parametrize("path", PLACES, ids=lambda path: ".".join(map(str, path)))
def test_a_key_in_the_plan_is_checked_when_it_is_read(path: tuple[Any, ...], key: str, tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    (tmp_path / "study.json").write_text(plan_with(path, key))
    with pytest.raises(StoreError, match=r"study\.json is damaged: .*should match pattern") as caught:
        store.plan()
    assert ".".join(map(str, path)) in str(caught.value)


# Links


def moved_out(root: Path, name: str, outside: Path) -> Path:
    """Put a link in the place of an entry, which lies outside now."""
    target = outside / Path(name).name
    shutil.move(root / name, target)
    (root / name).symlink_to(os.path.relpath(target, (root / name).parent))
    return target


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("name", [*FILES, *FOLDERS])
def test_a_link_that_leaves_the_run_is_never_followed(
    name: str, whole: RunStore, tmp_path: Path, impatient: None
) -> None:
    (tmp_path / "home").mkdir()
    moved_out(tmp_path / "run", name, tmp_path / "home")
    before, refused = contents(tmp_path / "home"), []
    for what, act in actions(whole).items():
        try:
            act()
        except StoreError as error:
            if f"{tmp_path / 'run' / name} is a symbolic link to '../" in str(error):
                refused.append(what)
        assert (tmp_path / "run" / name).is_symlink(), what
    assert {"check", "lock"} <= set(refused)
    assert contents(tmp_path / "home") == before


@pytest.mark.parametrize("name", FILES)
def test_a_dangling_link_is_refused(name: str, whole: RunStore, tmp_path: Path) -> None:
    (tmp_path / "run" / name).unlink()
    (tmp_path / "run" / name).symlink_to(tmp_path / "new")
    with pytest.raises(StoreError, match="is a symbolic link to"), whole.lock():
        pass
    for act in actions(whole).values():
        with suppress(StoreError):
            act()
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("folder", [name for name in FOLDERS if name.startswith(f"scratch/{VARIANT}")])
def test_training_is_given_no_folder_with_links(folder: str, whole: RunStore, tmp_path: Path) -> None:
    """It looks for checkpoints by their names, below folders of any name."""
    (tmp_path / "run" / folder / "Deep").mkdir()
    (tmp_path / "run" / folder / "Deep" / "training.safetensors").symlink_to("/etc/passwd")
    with pytest.raises(StoreError, match=r"training\.safetensors is a symbolic link to '/etc/passwd'"):
        whole.scratch(VARIANT)


def test_a_run_may_be_reached_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "big" / "runs").mkdir(parents=True)
    (tmp_path / "runs").symlink_to("big/runs")
    (tmp_path / "big" / "runs" / "alias").symlink_to("s")
    (tmp_path / "big" / "runs" / "s").mkdir()
    for root in (tmp_path / "runs" / "s", tmp_path / "runs" / "alias"):
        for act in actions(write_whole_run(root)).values():
            act()


# Pipes, sockets, folders


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kind", ["a named pipe", "a folder"])
def test_what_is_no_file_does_not_stand_for_one(
    name: str, kind: str, whole: RunStore, tmp_path: Path, impatient: None
) -> None:
    (tmp_path / "run" / name).unlink()
    (os.mkfifo if kind == "a named pipe" else os.mkdir)(tmp_path / "run" / name)
    refused = []
    for what, act in actions(whole).items():
        try:
            act()
        except StoreError as error:
            if f"{tmp_path / 'run' / name} is {kind}, where a run has a file; move it away" in str(error):
                refused.append(what)
    assert {"check", "lock"} <= set(refused)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("name", FOLDERS)
def test_what_is_no_folder_does_not_stand_for_one(name: str, whole: RunStore, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "run" / name)
    (tmp_path / "run" / name).write_text("precious")
    refused = []
    for what, act in actions(whole).items():
        try:
            act()
        except StoreError as error:
            if f"{tmp_path / 'run' / name} is a file, where a run has a folder" in str(error):
                refused.append(what)
    assert {"check", "lock"} <= set(refused)
    assert (tmp_path / "run" / name).read_text() == "precious"
