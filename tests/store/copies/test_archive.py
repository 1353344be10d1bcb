from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from brinell.core import Block, PlannedProbe, PlannedTrial, PlannedVariant, Point, StoreError
from brinell.store import (
    RunStore,
    frame_of_schema,
    name_variant,
    named_variant,
    read_table,
    restore_archive,
    write_archive,
)
from store.test_damage import damages
from store.whole_run import BLOCK, FAILED, PLAN, PROBE, TRIAL, VARIANT, VARIANT_FILES, write_whole_run

OTHER = "f" * 20
SECOND = "0002-2-" + "a" * 10


@pytest.fixture
def run(tmp_path: Path) -> RunStore:
    """A run of one network, one trial of two blocks and one probe, whose plan names them."""
    store = write_whole_run(tmp_path / "run")
    variant = PlannedVariant(
        name="base", key=VARIANT, seed=0, parent=None, baseline=VARIANT, family="model", architecture="m", settings={}
    )
    trial = PlannedTrial(
        key=TRIAL,
        attack="fgsm",
        kind="fgsm",
        spec={},
        judged_on=VARIANT,
        crafted_on=VARIANT,
        seed=0,
        view="exact",
        runtime="reference",
        random=False,
        points=(Point(0.1, 1),),
        blocks=(Block(name=BLOCK, start=0, stop=2), Block(name=SECOND, start=2, stop=4)),
    )
    probe = PlannedProbe(key=PROBE, kind="gallery", variant=VARIANT, spec={}, seed=0)
    plan = PLAN.model_copy(update={"variants": (variant,), "trials": (trial,), "probes": (probe,)})
    store.write_study("name: s\n", plan, {"torch": "2"})
    store.write_rows(TRIAL, SECOND, frame_of_schema({"a": [3, 4]}, {"a": "int32"}), {"seed": 1})
    return store


@pytest.fixture
def archive(run: RunStore, tmp_path: Path) -> Path:
    """Its archive."""
    assert write_archive(run.root, tmp_path / "archive") == []
    return tmp_path / "archive"


def test_an_archive_becomes_the_same_run(run: RunStore, archive: Path, tmp_path: Path) -> None:
    restore_archive(archive, tmp_path / "again")
    again = RunStore.open(tmp_path / "again")
    assert again.plan() == run.plan()
    assert again.environment() == run.environment()
    for block in (BLOCK, SECOND):
        assert again.rows_path(TRIAL, block).read_bytes() == run.rows_path(TRIAL, block).read_bytes()
    assert again.traces_path(TRIAL, BLOCK).read_bytes() == run.traces_path(TRIAL, BLOCK).read_bytes()
    assert not again.traces_path(TRIAL, SECOND).exists()
    assert again.read_probe(PROBE) == run.read_probe(PROBE)
    assert again.failures() == run.failures()
    assert again.variant_file(VARIANT, "variant.brinell") is not None


def test_rows_are_one_table(archive: Path) -> None:
    rows = read_table(archive / "rows.parquet")
    expected = pl.DataFrame({"trial": [TRIAL] * 4, "block": [BLOCK] * 2 + [SECOND] * 2, "a": [1, 2, 3, 4]})
    assert rows.equals(expected.cast({"a": pl.Int32}))


def test_images_latent_weights_and_checkpoints_are_left_out_and_made_again(archive: Path, tmp_path: Path) -> None:
    names = {path.relative_to(archive).parts[0] for path in archive.rglob("*") if path.is_file()}
    kept = {"study.json", "study.yaml", "environment.json", "unhashed.json", "variants", "probes", "failures"}
    assert names == kept | {"rows.parquet", "traces.parquet", "blocks.parquet"}
    assert not list(archive.rglob("latent.safetensors"))
    restore_archive(archive, tmp_path / "again")
    again = RunStore.open(tmp_path / "again")
    assert again.has_variant(VARIANT)
    assert not again.has_whole_variant(VARIANT)
    name_variant(again, VARIANT, "base")
    assert named_variant(again, "base") is not None
    assert not again.has_whole_probe(PROBE)
    with pytest.raises(StoreError, match=r"latent\.safetensors: an archive left it out"):
        again.variant_file(VARIANT, "latent.safetensors")


def test_networks_can_be_left_out(run: RunStore, tmp_path: Path) -> None:
    write_archive(run.root, tmp_path / "archive", networks=False)
    assert not list((tmp_path / "archive").rglob("*.brinell"))
    restore_archive(tmp_path / "archive", tmp_path / "again")
    assert RunStore.open(tmp_path / "again").has_variant(VARIANT)


def test_an_archive_of_a_restored_run_is_the_same(archive: Path, tmp_path: Path) -> None:
    restore_archive(archive, tmp_path / "again")
    write_archive(tmp_path / "again", tmp_path / "second")
    first = {path.relative_to(archive): path.read_bytes() for path in archive.rglob("*") if path.is_file()}
    second = tmp_path / "second"
    assert first == {path.relative_to(second): path.read_bytes() for path in second.rglob("*") if path.is_file()}


def test_what_is_damaged_in_a_run_is_named_and_left_out(run: RunStore, tmp_path: Path) -> None:
    path = run.rows_path(TRIAL, SECOND)
    path.write_bytes(path.read_bytes()[:-9])
    (run.variant(VARIANT) / "costs.json").write_text("{}")
    problems = write_archive(run.root, tmp_path / "archive")
    assert len(problems) == 2
    assert VARIANT in problems[0]
    assert str(path) in problems[1]
    restore_archive(tmp_path / "archive", tmp_path / "again")
    again = RunStore.open(tmp_path / "again")
    assert again.has_rows(TRIAL, BLOCK)
    assert not again.has_rows(TRIAL, SECOND)
    assert not again.has_variant(VARIANT)


FILES = (
    *("study.json", "environment.json", "rows.parquet", "traces.parquet", "blocks.parquet"),
    *(f"probes/{PROBE}.json", f"failures/{FAILED}.json"),
    *(f"variants/{VARIANT}/{name}" for name in (*VARIANT_FILES, "manifest.json") if name != "latent.safetensors"),
)


@pytest.mark.parametrize("name", FILES)
def test_no_damage_of_an_archive_is_accepted(archive: Path, tmp_path: Path, name: str) -> None:
    content = (archive / name).read_bytes()
    for number, damaged in enumerate(damages(content, seed=0, count=20)):
        (archive / name).write_bytes(damaged)
        target = tmp_path / f"again-{number}"
        with pytest.raises(StoreError):
            restore_archive(archive, target)
        assert not target.exists()


def test_tables_of_other_archives_are_refused(archive: Path, run: RunStore, tmp_path: Path) -> None:
    shutil.copy(archive / "traces.parquet", archive / "rows.parquet")
    with pytest.raises(StoreError, match=r"rows\.parquet is damaged"):
        restore_archive(archive, tmp_path / "again")


@pytest.mark.parametrize("make", [write_archive, restore_archive])
def test_folders_with_something_in_them_are_left_alone(make, run: RunStore, archive: Path, tmp_path: Path) -> None:
    target = tmp_path / "thesis"
    target.mkdir()
    (target / "chapter.tex").write_text("mine")
    with pytest.raises(StoreError, match=r"thesis holds 'chapter.tex'; accepted: a new or empty folder"):
        make(archive if make is restore_archive else run.root, target)
    assert [path.name for path in target.iterdir()] == ["chapter.tex"]


def test_an_empty_folder_is_accepted(run: RunStore, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    write_archive(run.root, tmp_path / "empty")
    assert (tmp_path / "empty" / "rows.parquet").is_file()


def test_a_run_is_no_archive(run: RunStore, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"is not an archive \(it holds no blocks.parquet\)"):
        restore_archive(run.root, tmp_path / "again")


def test_links_are_not_followed(archive: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    np.save(secret, np.zeros(1))
    (archive / "rows.parquet").unlink()
    (archive / "rows.parquet").symlink_to(secret)
    with pytest.raises(StoreError):
        restore_archive(archive, tmp_path / "again")
