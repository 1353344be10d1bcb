"""A run's copy under a URL: what is copied, what is not, and a run that goes on from it."""

from __future__ import annotations

import shutil
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import fsspec
import numpy as np
import pytest

from brinell.core import ConfigurationError, StoreError
from brinell.store import Mirror, RunStore, places_of_task
from store.whole_run import BLOCK, FAILED, FILES, PROBE, TRIAL, VARIANT

LEFT_OUT = (".lock", "scratch/", "report/")
COPIED = {name for name in FILES if not name.startswith(LEFT_OUT)}


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """A bucket of a local S3 server, moto's."""
    reason = "needs moto and s3fs (pip install -e '.[s3-test]', in an environment of its own)"
    pytest.importorskip("s3fs", reason=reason)
    server = pytest.importorskip("moto.server", reason=reason).ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "nobody")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setitem(fsspec.config.conf, "s3", {"endpoint_url": f"http://{host}:{port}"})
        fsspec.filesystem("s3").mkdir("bucket")
        yield "s3://bucket"
    server.stop()


@pytest.fixture(params=["memory", "file", "s3"])
def mirror(request: pytest.FixtureRequest, tmp_path: Path) -> Mirror:
    """One that keeps objects as a whole, one that has folders, and an object store behind a server."""
    name = uuid.uuid4().hex
    if request.param == "s3":
        return Mirror(f"{request.getfixturevalue('bucket')}/{name}")
    return Mirror(f"memory://{name}/run" if request.param == "memory" else f"file://{tmp_path}/bucket/run")


def names(mirror: Mirror) -> set[str]:
    return set(mirror._sizes())


def files(root: Path) -> dict[str, bytes]:
    found = (path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in found}


def test_every_finished_file_is_copied_once_and_comes_back_the_same(whole: RunStore, mirror: Mirror, tmp_path: Path):
    (whole.root / "variants" / "notes.txt").write_text("not ours")
    assert set(mirror.synchronize(whole.root)) == names(mirror) == COPIED
    assert mirror.synchronize(whole.root) == []
    other = RunStore(tmp_path / "other")
    with other.lock():
        assert set(mirror.pull(other.root)) == COPIED
        assert mirror.pull(other.root) == []
    there = files(other.root)
    there.pop(".lock")
    assert there == {name: data for name, data in files(whole.root).items() if name in COPIED}
    assert other.has_whole_variant(VARIANT)
    assert other.has_whole_rows(TRIAL, BLOCK)


def test_a_folder_that_is_ahead_stays_as_it_is(whole: RunStore, mirror: Mirror):
    mirror.synchronize(whole.root)
    whole.write_probe(PROBE, {"answer": 2}, {"image": np.ones(3)})
    whole.rows_path(TRIAL, BLOCK).unlink()
    assert mirror.pull(whole.root) == [f"trials/{TRIAL}/{BLOCK}.parquet"]
    assert whole.read_probe(PROBE)["answer"] == 2


def test_what_was_made_again_is_copied_as_a_whole(whole: RunStore, mirror: Mirror):
    """A probe with its arrays, a variant with all of its files; a failure that is over goes."""
    mirror.synchronize(whole.root)
    whole.write_probe(PROBE, {"answer": 2}, {"image": np.ones(3)})
    shutil.rmtree(whole.variant(VARIANT))
    with whole.new_variant(VARIANT) as folder:
        (folder / "variant.brinell").write_text("new")
        (folder / "costs.json").write_text("{}")
    whole.clear_failure(FAILED)
    made = {f"variants/{VARIANT}/{name}" for name in ("variant.brinell", "costs.json", "manifest.json")}
    assert set(mirror.synchronize(whole.root)) == made | {f"probes/{PROBE}.json", f"arrays/{PROBE}.npz"}
    assert f"failures/{FAILED}.json" not in names(mirror)


def test_blocks_that_are_merged_go(whole: RunStore, mirror: Mirror):
    mirror.synchronize(whole.root)
    block = whole.rows_path(TRIAL, BLOCK)
    block.with_name("merged.parquet").write_bytes(block.read_bytes())
    block.unlink()
    mirror.synchronize(whole.root)
    assert {name for name in names(mirror) if name.startswith(f"trials/{TRIAL}/")} == {f"trials/{TRIAL}/merged.parquet"}


def test_names_of_a_stranger_are_passed_over(whole: RunStore, mirror: Mirror, tmp_path: Path):
    for name in ("notes.txt", "trials/../../escaped", f"trials/{TRIAL}/x.parquet", "report/index.html", ".lock/x"):
        mirror._write(mirror._path(name), b"precious")
    mirror.push(whole.root, ["study.json"])
    other = RunStore(tmp_path / "other")
    with other.lock():
        assert mirror.pull(other.root) == ["study.json"]
    assert not (tmp_path / "escaped").exists()
    assert {path.name for path in other.root.iterdir()} == {".lock", "study.json"}


def test_a_task_names_the_files_it_may_have_made(whole: RunStore, mirror: Mirror):
    mirror.push(whole.root, [*places_of_task(f"{TRIAL}.{BLOCK}"), *places_of_task(VARIANT), *places_of_task(PROBE)])
    expected = {name for name in COPIED if any(key in name for key in (TRIAL, VARIANT, PROBE))}
    assert names(mirror) == expected


def test_what_cannot_be_opened_read_or_written_is_one_error(whole: RunStore, tmp_path: Path, monkeypatch):
    for url in ("nonsense://x", "s3//x\0"):
        with pytest.raises((ConfigurationError, StoreError), match=r"nonsense|s3"):
            Mirror(url).synchronize(whole.root)
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StoreError, match=r"cannot write file://.*/file/run: "):
        Mirror(f"file://{tmp_path}/file/run").synchronize(whole.root)
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'brinell\[s3\]'"):
        Mirror("s3://bucket/run").pull(whole.root)
