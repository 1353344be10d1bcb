from __future__ import annotations

import errno
import io
import os
import shutil
import signal
from contextlib import suppress
from pathlib import Path

import polars as pl
import pytest
import torch
import yaml

from brinell import container
from brinell.analysis import load
from brinell.compressors import COMPRESSORS, compressor
from brinell.core import ROW_SCHEMA, TRACE_SCHEMA, ConfigurationError, StoreError, UnsupportedError
from brinell.store import RunStore
from brinell.study import AttackTask, RunStarted, Study, TaskProgress, plan, run
from brinell.study.tasks import TaskResult
from brinell.study.tasks import variant as variant_module
from brinell.variants import natural_view
from store.rewriting import renew_hash
from study.conftest import TINY


def rows(root: Path) -> dict[str, pl.DataFrame]:
    """Every table of results by its path in the folder."""
    return {
        str(path.relative_to(root)): pl.read_parquet(path)
        for folder in ("trials", "traces")
        for path in sorted((root / folder).rglob("*.parquet"))
    }


def assert_equal_rows(one: Path, other: Path) -> None:
    first, second = rows(one), rows(other)
    assert first.keys() == second.keys()
    assert first
    for name, frame in first.items():
        assert frame.equals(second[name]), name


def assert_equal_answers(one: Path, other: Path) -> None:
    """Records of probes, and their arrays."""
    first, second = RunStore(one), RunStore(other)
    keys = {path.stem for path in (one / "probes").iterdir()}
    assert keys == {path.stem for path in (other / "probes").iterdir()}
    for key in keys:
        assert first.read_probe(key) == second.read_probe(key)
        pictures, others = first.read_arrays(key), second.read_arrays(key)
        assert pictures.keys() == others.keys()
        assert all((array == others[name]).all() for name, array in pictures.items())


def stamps(root: Path) -> dict[str, tuple[int, int]]:
    """What tells whether a file was written again."""
    found = (
        path for folder in ("trials", "traces", "variants", "probes", "arrays") for path in (root / folder).rglob("*")
    )
    # `variants/NAME.brinell` is a second name of a file in a variant's folder, made anew where it is missing.
    named = root / "variants"
    return {
        str(path): (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in found
        if path.is_file() and path.parent != named
    }


@pytest.fixture(scope="module")
def done(tmp_path_factory) -> Path:
    """The tiny study, run in peace; nobody may change it."""
    root = tmp_path_factory.mktemp("runs") / "tiny"
    run(Study.parse(yaml.safe_load(TINY)), out=root, threads=1)
    return root


def test_a_run_goes_on_with_another_baseline(done, tiny, tmp_path):
    shutil.copytree(done, tmp_path / "run")
    finetune = {"kind": "fine_tune", "train": {"epochs": 1, "batch_size": 128}}
    tiny["variants"] = {
        "base": tiny["variants"]["base"],
        "pruned": tiny["variants"]["pruned"] | {"baseline": "tuned"},
        "tuned": {"from": "base", "compress": finetune},
    }
    before = stamps(tmp_path / "run")
    run(Study.parse(tiny), out=tmp_path / "run", threads=1)
    assert stamps(tmp_path / "run").items() >= before.items()
    evaluation = load(RunStore.open(tmp_path / "run"))
    assert set(evaluation.pairs["baseline"]) == {"tuned"}
    assert set(evaluation.pairs["variant"]) == {"pruned"}
    figures = {row["variant"]: row for row in evaluation.variants.iter_rows(named=True)}
    assert figures["pruned"]["dense_bytes"] == figures["tuned"]["dense_bytes"] == figures["base"]["dense_bytes"] > 0


def test_a_run_holds_what_was_planned(done, tiny_study):
    store, planned = RunStore.open(done), plan(tiny_study)
    assert store.plan() == planned
    for variant in planned.variants:
        assert {path.name for path in store.variant(variant.key).iterdir()} == {
            "variant.brinell",
            "costs.json",
            "figures.json",
            "training.parquet",
            "manifest.json",
        }
        costs = store.costs(variant.key)
        assert costs["encoded_bytes"] == (store.variant(variant.key) / "variant.brinell").stat().st_size
        assert costs["nominal_bytes"] > 0
        assert 0 < costs["entropy_bytes"] <= costs["encoded_bytes"]
        assert {"deflate", "xz"} <= costs["general_purpose"].keys()
        assert costs["dense_bytes"] == store.costs(variant.baseline)["dense_bytes"]
    for trial in planned.trials:
        for block in trial.blocks:
            frame = store.read_rows(trial.key, block.name)
            assert frame.columns == list(ROW_SCHEMA)
            assert len(frame) == len(trial.points) * (block.stop - block.start)
            points = frame.select("epsilon", "steps").unique(maintain_order=True).rows()
            assert points == [tuple(point) for point in trial.points]
    assert store.failures() == {}
    assert store.running() == {}
    assert [path.name for path in (done / "scratch").iterdir()] == ["running"]
    assert store.environment()["threads"] == 1


def test_rows_say_what_made_them(done, tiny_study):
    planned = plan(tiny_study)
    trial = next(trial for trial in planned.trials if trial.attack == "pgd")
    footer = RunStore(done).rows_footer(trial.key, trial.blocks[0].name)
    assert footer["trial"]["spec"]["kind"] == "pgd"
    assert footer["trial"]["spec"]["revision"] >= 1
    assert footer["data"]["fingerprint"] == planned.fingerprint
    assert footer["environment"]["versions"]["torch"] == torch.__version__
    assert footer["variant"]["name"] == "base"


def test_clean_columns_are_the_clean_predictions(done, tiny_study):
    store, planned = RunStore.open(done), plan(tiny_study)
    clean = {trial.judged_on: trial for trial in planned.trials if trial.kind == "clean"}
    for trial in planned.trials:
        for block in trial.blocks:
            known = store.read_rows(clean[trial.judged_on].key, block.name).select(
                "example_id", known="prediction", known_rank="rank"
            )
            joined = store.read_rows(trial.key, block.name).join(known, on="example_id")
            assert (joined["clean_prediction"] == joined["known"]).all()
            assert (joined["clean_rank"] == joined["known_rank"]).all()


def test_running_again_computes_nothing(done, tiny_study):
    before, events = stamps(done), []
    result = run(tiny_study, out=done, threads=1, observe=events.append)
    assert result.endings == ()
    assert [type(event) for event in events] == [RunStarted]
    assert stamps(done) == before
    assert repr(result).startswith(f"Run(folder: {done}, study: tiny, variants: 2, trials: ")
    assert repr(result).endswith("tasks of this call: none)")
    assert "<tr><th>study</th><td>tiny</td></tr>" in result._repr_html_()


def test_more_examples_compute_only_new_blocks(done, tiny, tmp_path):
    shutil.copytree(done, tmp_path / "run")
    before = stamps(tmp_path / "run")
    tiny["data"]["test"]["examples"] = 80
    result = run(Study.parse(tiny), out=tmp_path / "run", threads=1)
    after = stamps(tmp_path / "run")
    kept = {path: stamp for path, stamp in before.items() if "/trials/" not in path}  # four blocks become one file
    assert kept.items() <= after.items()
    for trial in result.plan.trials:
        for block in trial.blocks[:2]:
            again = RunStore(tmp_path / "run").read_rows(trial.key, block.name)
            assert again.equals(RunStore(done).read_rows(trial.key, block.name))
    assert len(result.endings) == 6 * 2  # two blocks more for two variants times clean, fgsm and pgd
    assert {ending.task.block.start for ending in result.endings} == {40, 60}


def test_lost_blocks_come_back_the_same(done, tiny_study, tmp_path):
    shutil.copytree(done, tmp_path / "run")
    for path in list((tmp_path / "run" / "trials").rglob("*.parquet"))[::3]:
        path.unlink()
    run(tiny_study, out=tmp_path / "run", threads=1)
    assert_equal_rows(done, tmp_path / "run")


def test_blocks_need_not_meet_those_of_the_clean_predictions(tiny, tmp_path):
    """30 of 40 examples in blocks of 20: the second block is half of a clean one."""
    tiny["attacks"] = {"fgsm": {"kind": "fgsm", "epsilon": 0.1, "examples": 30}}
    tiny["variants"].pop("pruned")
    run(Study.parse(tiny), out=tmp_path / "run", threads=1)
    store = RunStore.open(tmp_path / "run")
    clean, fgsm = store.plan().trials
    known = pl.concat([store.read_rows(clean.key, block.name) for block in clean.blocks])[:30]
    found = pl.concat([store.read_rows(fgsm.key, block.name) for block in fgsm.blocks])
    assert found["example_id"].to_list() == known["example_id"].to_list()
    assert found["clean_prediction"].to_list() == known["prediction"].to_list()


def test_traces_lie_beside_rows(tiny, tmp_path):
    tiny["attacks"] = {"pgd": {"kind": "pgd", "epsilon": 0.1, "steps": 4, "trace_every": 2}}
    run(Study.parse(tiny), out=tmp_path / "run", threads=1)
    store = RunStore.open(tmp_path / "run")
    for trial in store.plan().trials:
        if trial.kind == "pgd":
            traces = store.read_traces(trial.key, trial.blocks[0].name)
            assert traces.columns == list(TRACE_SCHEMA)
            assert traces["step"].to_list() == [0, 2, 4]
            assert traces["count"].to_list() == [20] * 3


def test_making_variants_never_reads_the_test_split(tiny_study, tmp_path, monkeypatch):
    planned = plan(tiny_study)

    def refuse(self):
        raise AssertionError("the test split was read before judging")

    monkeypatch.setattr("brinell.study.worker_context.WorkerContext.test", property(refuse))
    result = run(tiny_study, out=tmp_path / "run", threads=1)
    assert {ending.task.id for ending in result.ended("done")} == {variant.key for variant in planned.variants}
    assert {type(ending.task) for ending in result.ended("failed")} == {AttackTask}


def broken(monkeypatch, error, when=lambda planned: True):
    """Make training of the variants that `when` picks raise."""
    make = variant_module._from_parent

    def fail(context, compressor, planned, scratch, progress):
        if when(planned):
            raise error
        return make(context, compressor, planned, scratch, progress)

    monkeypatch.setattr(variant_module, "_from_parent", fail)


def test_a_failure_is_recorded_blocks_what_needs_it_and_is_retried(done, tiny_study, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        broken(patch, RuntimeError("out of luck"))
        result = run(tiny_study, out=tmp_path / "run", threads=1)
    store = RunStore.open(tmp_path / "run")
    (failed,) = result.ended("failed")
    assert (failed.task.label, failed.message) == ("pruned", "RuntimeError: out of luck")
    assert {ending.task.variant.name for ending in result.ended("blocked")} == {"pruned"}
    assert len(result.ended("blocked")) == 6
    assert {ending.task.variant.name for ending in result.ended("done")} == {"base"}
    failure = store.failures()[failed.task.id]
    assert "Traceback" in failure.traceback
    assert "out of luck" in failure.traceback
    assert not failure.unsupported
    again = run(tiny_study, out=tmp_path / "run", threads=1)
    assert {ending.status for ending in again.endings} == {"done"}
    assert store.failures() == {}
    assert_equal_rows(done, tmp_path / "run")


def test_what_is_unsupported_is_not_tried_again(tiny_study, tmp_path, monkeypatch):
    broken(monkeypatch, UnsupportedError("makes no sense"))
    first = run(tiny_study, out=tmp_path / "run", threads=1)
    assert len(first.ended("unsupported")) == 7
    broken(monkeypatch, AssertionError("it was tried again"))
    second = run(tiny_study, out=tmp_path / "run", threads=1)
    assert len(second.ended("unsupported")) == len(second.endings) == 7
    assert "makes no sense" in second.endings[0].message


def test_a_full_disk_stops_the_run_and_loses_nothing(tiny_study, tmp_path, monkeypatch):
    write = RunStore.write_rows

    def full(self, trial, block, table, footer, traces=None):
        if len(rows(self.root)) >= 3:
            raise StoreError("cannot write: no space") from OSError(errno.ENOSPC, "no space")
        write(self, trial, block, table, footer, traces)

    with monkeypatch.context() as patch:
        patch.setattr(RunStore, "write_rows", full)
        with pytest.raises(StoreError, match="no space"):
            run(tiny_study, out=tmp_path / "run", threads=1)
    kept = stamps(tmp_path / "run")
    assert len(rows(tmp_path / "run")) == 3
    run(tiny_study, out=tmp_path / "run", threads=1)
    assert kept.items() <= stamps(tmp_path / "run").items()


@pytest.mark.parametrize("event", [TaskProgress, TaskResult])
def test_a_folder_that_becomes_read_only_is_one_error(done, tiny_study, tmp_path, monkeypatch, event):
    """As after an error of the disk. Every change below the folder is refused, for modes do not stop root."""
    root = tmp_path / "run"

    def refuse(function, writes):
        def refusing(path, *more, **options):
            if writes(*more) and str(path).startswith(f"{root}/"):
                raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
            return function(path, *more, **options)

        return refusing

    def make_read_only(observed):
        if isinstance(observed, event):
            for name in ("unlink", "mkdir", "replace", "rename", "rmdir"):
                patch.setattr(os, name, refuse(getattr(os, name), lambda *more: True))
            patch.setattr(io, "open", refuse(io.open, lambda mode="r", *more: not set(mode).isdisjoint("wax+")))

    with monkeypatch.context() as patch, pytest.raises(StoreError, match=rf"cannot \w+ {root}/.*Read-only file system"):
        run(tiny_study, out=root, threads=1, observe=make_read_only)
    kept = stamps(root)
    run(tiny_study, out=root, threads=1)
    assert kept.items() <= stamps(root).items()
    assert_equal_rows(done, root)


def test_ctrl_c_leaves_a_run_that_goes_on(done, tiny_study, tmp_path):
    def interrupt(event):
        if len(rows(tmp_path / "run")) >= 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tiny_study, out=tmp_path / "run", threads=1, observe=interrupt)
    assert not list((tmp_path / "run").rglob(".tmp-*"))
    run(tiny_study, out=tmp_path / "run", threads=1)
    assert_equal_rows(done, tmp_path / "run")


def test_ctrl_c_that_is_dropped_ends_the_run_too(tiny_study, tmp_path):
    ended = []

    def interrupt(event):
        if isinstance(event, TaskResult):
            ended.append(event)
            with suppress(KeyboardInterrupt):  # as a destructor does
                signal.getsignal(signal.SIGINT)(signal.SIGINT, None)

    with pytest.raises(KeyboardInterrupt):
        run(tiny_study, out=tmp_path / "run", threads=1, observe=interrupt)
    assert len(ended) == 1


def test_two_runs_on_one_folder_are_refused(done, tiny_study):
    with RunStore(done).lock(), pytest.raises(StoreError, match="is in use by process"):
        run(tiny_study, out=done, threads=1)


def test_threads_are_put_back(done, tiny_study):
    before = torch.get_num_threads()
    run(tiny_study, out=done, threads=before + 1)
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"executor": "dask"}, "executor: unknown executor 'dask'; accepted: serial, processes, ray"),
        ({"workers": 2}, "workers: the serial executor has one"),
        ({"threads": 0}, "threads: expected at least 1, not 0"),
        ({"executor": "processes", "workers": 0}, "workers: expected at least 1, not 0"),
    ],
)
def test_options_are_checked_first(tiny_study, tmp_path, options, said):
    with pytest.raises(ConfigurationError, match=said):
        run(tiny_study, out=tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


def test_a_folder_that_cannot_be_is_refused(tiny_study, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"cannot write .*file"):
        run(tiny_study, out=tmp_path / "file", threads=1)


def test_a_run_is_a_path(done, tiny_study):
    result = run(tiny_study, out=done, threads=1)
    assert Path(result) == done
    assert os.fspath(result) == str(done)


@pytest.mark.filterwarnings("ignore:.* covers")
def test_variants_become_what_the_plan_says_of_them(tiny, tmp_path, monkeypatch):
    """Architecture and gradient are planned before anything is made; every compressor is tried on a binary parent."""
    monkeypatch.setattr(compressor, "check_result", lambda *_, **__: None)  # nothing is trained here
    untrained = {"epochs": 0}
    tiny["variants"] = {"base": {"model": "small", "train": untrained}}
    tiny["variants"]["binary"] = {"from": "base", "compress": {"kind": "xnor_net", "train": untrained}}
    for kind in COMPRESSORS:
        for parent in ("base", "binary"):
            if (parent, kind) not in {("base", "xnor_net"), ("binary", "xnor_net")}:
                trains = {"train": untrained} if "train" in COMPRESSORS[kind].model_fields else {}
                compress = {"kind": kind, **trains}
                tiny["variants"][f"{kind}-of-{parent}"] = {"from": parent, "compress": compress}
    student = {"kind": "distill", "student": {"kind": "resnet8", "width": 3}, "train": untrained}
    tiny["variants"]["student"] = {"from": "base", "compress": student}
    tiny["variants"]["kept"] = {
        "from": "binary",
        "compress": {"kind": "distill", "initialize": "teacher", "train": untrained},
    }
    del tiny["attacks"]
    run(Study.parse(tiny), out=tmp_path / "run", threads=1)
    store = RunStore.open(tmp_path / "run")
    views = {trial.judged_on: trial.view for trial in store.plan().trials}
    for planned in store.plan().variants:
        if not store.has_variant(planned.key):
            assert planned.name.endswith("-of-binary")
            assert "ModelError" in store.failures()[planned.key].traceback
            continue
        variant = container.read(store.variant(planned.key) / "variant.brinell")
        assert variant.architecture.kind == planned.architecture
        assert natural_view(variant.view()) == views[planned.key], planned.name
    assert set(views.values()) == {"exact", "straight_through"}


@pytest.mark.parametrize("damage", ["cut", "zeros", "fewer rows", "other examples", "no such class"])
def test_a_damaged_block_is_computed_again(done, tiny_study, tmp_path, damage):
    shutil.copytree(done, tmp_path / "run")
    path = sorted((tmp_path / "run" / "trials").rglob("*.parquet"))[3]
    content = path.read_bytes()
    if damage == "cut":
        path.write_bytes(content[:-9])
    elif damage == "zeros":
        path.write_bytes(content[:200] + bytes(400) + content[600:])
    elif damage == "fewer rows":
        pl.read_parquet(path)[1:].write_parquet(path)
        renew_hash(path)
    else:
        change = pl.col("example_id") + 1 if damage == "other examples" else pl.col("prediction") + 10
        pl.read_parquet(path).with_columns(change).write_parquet(path)
        renew_hash(path)
    (ending,) = run(tiny_study, out=tmp_path / "run", threads=1).endings
    assert (ending.status, ending.task.block.name) == ("done", path.stem)
    assert_equal_rows(done, tmp_path / "run")


@pytest.mark.parametrize("damage", ["cut", "gone", "a bit", "emptied", "of another variant", "costs"])
def test_a_damaged_variant_is_named_and_made_again(done, tiny_study, tmp_path, damage):
    shutil.copytree(done, tmp_path / "run")
    store = RunStore.open(tmp_path / "run")
    other, key = (variant.key for variant in store.plan().variants)
    file = store.variant(key) / ("costs.json" if damage == "costs" else "variant.brinell")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    if damage == "cut":
        file.write_bytes(content[:-9])
    elif damage == "emptied":
        for path in file.parent.iterdir():
            path.unlink()
    elif damage == "of another variant":
        shutil.copytree(store.variant(other), file.parent, dirs_exist_ok=True)
    elif damage == "gone":
        file.unlink()
    else:
        file.write_bytes(content)
    (file.parent / "notes.txt").write_text("precious")
    events = []
    result = run(tiny_study, out=tmp_path / "run", threads=1, observe=events.append)
    assert [ending.status for ending in result.endings] == ["done"]
    assert events[0].damaged == (f"variants/{key}",)
    assert store.has_whole_variant(key)
    assert (file.parent / "notes.txt").read_text() == "precious"
    assert_equal_rows(done, tmp_path / "run")


def test_a_damaged_checkpoint_is_named_and_its_training_begins_again(done, tiny_study, tmp_path):
    shutil.copytree(done, tmp_path / "run")
    store = RunStore.open(tmp_path / "run")
    key = store.plan().variants[0].key
    shutil.rmtree(store.variant(key))
    (store.scratch(key) / "training.safetensors").write_bytes(b"damaged")
    events = []
    result = run(tiny_study, out=tmp_path / "run", threads=1, observe=events.append)
    assert [ending.status for ending in result.endings] == ["done"]
    assert events[0].damaged == (f"scratch/{key}/training.safetensors",)
    assert not (tmp_path / "run" / "scratch" / key).exists()
    assert_equal_rows(done, tmp_path / "run")


def test_a_run_whose_folder_is_lost_goes_on_from_its_mirror(done, tiny_study, tmp_path):
    url, ended = f"file://{tmp_path}/mirror", []

    def interrupt(event):
        ended.extend([event] * isinstance(event, TaskResult))
        if len(ended) == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tiny_study, out=tmp_path / "lost", threads=1, mirror=url, observe=interrupt)
    shutil.rmtree(tmp_path / "lost")
    result = run(tiny_study, out=tmp_path / "run", threads=1, mirror=url)
    assert {ending.status for ending in result.endings} == {"done"}
    assert {ending.task.id for ending in result.endings}.isdisjoint(ending.task.id for ending in ended)
    assert len(result.endings) + len(ended) == 14
    assert_equal_rows(done, tmp_path / "run")
    assert run(tiny_study, out=tmp_path / "third", threads=1, mirror=url).endings == ()
    assert_equal_rows(done, tmp_path / "third")
