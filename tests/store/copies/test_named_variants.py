"""Copies of variants' files under the variants' names."""

from __future__ import annotations

from pathlib import Path

import pytest

from brinell.core import StoreError
from brinell.store import RunStore, file_digest, name_variant, name_variants

ONE, OTHER, ABSENT = (letter * 20 for letter in "abc")


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    store = RunStore(tmp_path / "run")
    for key in (ONE, OTHER):
        with store.new_variant(key) as folder:
            (folder / "variant.brinell").write_bytes(key.encode())
    return store


def named(store: RunStore) -> dict[str, bytes]:
    return {path.stem: path.read_bytes() for path in (store.root / "variants").glob("*.brinell")}


def test_what_is_done_to_a_copy_leaves_the_run_alone(store: RunStore) -> None:
    name_variants(store, {ONE: "one", OTHER: "other"})
    copy = store.root / "variants" / "one.brinell"
    with copy.open("ab") as file:  # in place, as an editor or a tool that appends does
        file.write(b"edited")
    assert store.has_whole_variant(ONE)
    name_variants(store, {ONE: "one", OTHER: "other"})
    assert named(store) == {"one": ONE.encode(), "other": OTHER.encode()}
    copy.unlink()
    name_variants(store, {ONE: "one", OTHER: "other"})
    assert named(store) == {"one": ONE.encode(), "other": OTHER.encode()}


def test_hard_links_of_earlier_versions_become_copies(store: RunStore) -> None:
    copy = store.root / "variants" / "one.brinell"
    copy.hardlink_to(store.variant(ONE) / "variant.brinell")
    name_variant(store, ONE, "one")
    assert copy.stat().st_nlink == 1
    assert named(store) == {"one": ONE.encode()}


def test_names_may_be_exchanged_and_old_ones_go(store: RunStore) -> None:
    name_variants(store, {ONE: "a", OTHER: "b"})
    name_variants(store, {ONE: "b", OTHER: "c"})
    assert named(store) == {"b": ONE.encode(), "c": OTHER.encode()}


def test_files_of_the_user_stay(store: RunStore) -> None:
    name_variants(store, {ONE: "a"})
    (store.root / "variants" / "mine.brinell").write_bytes(b"mine")
    (store.root / "variants" / "notes.txt").write_text("notes")
    name_variants(store, {ONE: "b"})
    assert named(store) == {"b": ONE.encode(), "mine": b"mine"}
    assert (store.root / "variants" / "notes.txt").exists()


def test_a_name_is_never_that_of_something_that_is_not_made(store: RunStore) -> None:
    name_variant(store, ONE, "a")
    name_variant(store, ABSENT, "a")
    assert named(store) == {}
    with pytest.raises(StoreError, match="is no name for an entry of variants"):
        name_variant(store, ONE, "../a")


def test_a_variant_called_as_its_own_file_is_named(store: RunStore) -> None:
    name_variants(store, {ONE: "variant"})
    assert named(store) == {"variant": ONE.encode()}
    name_variants(store, {ONE: "a"})
    assert named(store) == {"a": ONE.encode()}
    assert store.has_whole_variant(ONE)


def test_every_file_is_hashed_once(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    name_variants(store, {ONE: "one"})
    monkeypatch.setattr(file_digest, "_SETTLED", -1)  # the files are as old as they need to be
    read: list[Path] = []
    hashed = file_digest._sha256
    monkeypatch.setattr(file_digest, "_sha256", lambda path: read.append(path) or hashed(path))
    for _ in range(3):
        assert store.has_whole_variant(ONE)
        name_variants(store, {ONE: "one"})
    assert len(read) == len(set(read)) == 2
