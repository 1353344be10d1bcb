"""A run's folder with every file and folder that a run can have, small, and what can be asked of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from brinell.core import StudyPlan
from brinell.store import Failure, Running, RunStore, frame_of_schema
from brinell.store.integrity import write_object
from brinell.store.merged_tables import merge_trial, read_blocks

VARIANT, TRIAL, PROBE, FAILED = (letter * 20 for letter in "abcd")
BLOCK = "0000-2-" + "e" * 10
MERGED_TRIAL = "1" * 20
MERGED_BLOCKS = [f"{number:04}-2-{'e' * 10}" for number in range(4)]
PLAN = StudyPlan(
    name="s",
    classes=2,
    class_names=("no", "yes"),
    dataset="digits",
    fingerprint="f",
    examples=5,
    config={},
    variants=(),
    trials=(),
)
KINDS = ("svg", "pdf", "csv", "tex")
EXHIBIT = {f"{folder}/x.{kind}": kind.encode() for folder in ("figures", "tables") for kind in KINDS}
VARIANT_FILES = ("variant.brinell", "latent.safetensors", "costs.json", "figures.json", "training.parquet")
MADE_FILES = (*VARIANT_FILES, "manifest.json")
FILES = (
    ".lock",
    "study.json",
    "study.yaml",
    "environment.json",
    "unhashed.json",
    *(f"variants/{VARIANT}/{name}" for name in MADE_FILES),
    f"trials/{TRIAL}/{BLOCK}.parquet",
    f"traces/{TRIAL}/{BLOCK}.parquet",
    f"trials/{MERGED_TRIAL}/merged.parquet",
    f"traces/{MERGED_TRIAL}/merged.parquet",
    f"probes/{PROBE}.json",
    f"arrays/{PROBE}.npz",
    f"failures/{FAILED}.json",
    f"scratch/{VARIANT}/training.safetensors",
    f"scratch/{VARIANT}/amc.json",
    f"scratch/{VARIANT}/00/training.safetensors",
    f"scratch/running/{TRIAL}.{BLOCK}.json",
    "scratch/running/left",
    "report/index.html",
    "report/manifest.json",
    *(f"report/{name}" for name in EXHIBIT),
)
FOLDERS = tuple(sorted({str(parent) for name in FILES for parent in Path(name).parents if parent != Path()}))


def write_whole_run(root: Path) -> RunStore:
    """A run with all of `FILES`."""
    store = RunStore(root)
    with store.lock():
        store.write_study("name: s\n", PLAN, {"torch": "2"})
        write_object(root, ("unhashed.json",), {"files": {}})
        with store.new_variant(VARIANT) as folder:
            for name in VARIANT_FILES:
                (folder / name).write_text('{"steps": []}')
        rows = frame_of_schema({"a": [1, 2]}, {"a": "int32"})
        store.write_rows(TRIAL, BLOCK, rows, {"seed": 0}, rows)
        for number, block in enumerate(MERGED_BLOCKS):
            part = frame_of_schema({"a": [2 * number, 2 * number + 1]}, {"a": "int32"})
            store.write_rows(MERGED_TRIAL, block, part, {"seed": 0, "block": number}, part)
        merge_trial(root, MERGED_TRIAL, MERGED_BLOCKS)
        store.write_probe(PROBE, {"masked": False}, {"image": np.zeros(3)})
        store.write_failure(Failure(FAILED, "x", "y", "z", unsupported=False))
        (store.scratch(VARIANT) / "00").mkdir()
    for name in ("training.safetensors", "amc.json", "00/training.safetensors"):
        (root / "scratch" / VARIANT / name).write_text("checkpoint")
    store.write_running(Running(f"{TRIAL}.{BLOCK}", "x", 1.0, 2.0, 3.0, 4.0))
    store.write_time_remaining(5.0, 6.0)
    store.write_report("page", EXHIBIT)
    return store


def actions(store: RunStore) -> dict[str, Callable[[], object]]:
    """Everything that reads, writes or deletes in a run, by what it is."""

    def lock() -> None:
        with store.lock():
            pass

    def new_variant() -> None:
        with store.new_variant(VARIANT) as folder:
            (folder / "costs.json").write_text("{}")

    rows = frame_of_schema({"a": [3]}, {"a": "int32"})
    return {
        "check": store.check_own,
        "lock": lock,
        "in use": lambda: store.in_use,
        "open": lambda: RunStore.open(store.root),
        "open for a report": lambda: RunStore.open_for_report(store.root),
        "change token": store.change_token,
        "write study": lambda: store.write_study("", PLAN, {}),
        "plan": store.plan,
        "environment": store.environment,
        "has variant": lambda: store.has_variant(VARIANT),
        "has whole variant": lambda: store.has_whole_variant(VARIANT),
        "has whole probe": lambda: store.has_whole_probe(PROBE),
        "new variant": new_variant,
        **{f"variant's {name}": lambda name=name: store.variant_file(VARIANT, name) for name in VARIANT_FILES},
        "costs": lambda: store.costs(VARIANT),
        "figures": lambda: store.figures(VARIANT),
        "has rows": lambda: store.has_rows(TRIAL, BLOCK),
        "has whole rows": lambda: store.has_whole_rows(TRIAL, BLOCK),
        "write rows": lambda: store.write_rows(TRIAL, BLOCK, rows, {}, rows),
        "read rows": lambda: store.read_rows(TRIAL, BLOCK),
        "read traces": lambda: store.read_traces(TRIAL, BLOCK),
        "has merged rows": lambda: store.has_whole_rows(MERGED_TRIAL, MERGED_BLOCKS[1]),
        "read merged rows": lambda: store.read_rows(MERGED_TRIAL, MERGED_BLOCKS[1]),
        "read merged traces": lambda: store.read_traces(MERGED_TRIAL, MERGED_BLOCKS[1]),
        "read blocks": lambda: read_blocks(store.root, "trials", MERGED_TRIAL, MERGED_BLOCKS, 8),
        "merge": lambda: merge_trial(store.root, MERGED_TRIAL, MERGED_BLOCKS),
        "has probe": lambda: store.has_probe(PROBE),
        "write probe": lambda: store.write_probe(PROBE, {}, {"image": np.zeros(4)}),
        "read probe": lambda: store.read_probe(PROBE),
        "read arrays": lambda: store.read_arrays(PROBE),
        "write failure": lambda: store.write_failure(Failure(FAILED, "x", "new", "z", unsupported=False)),
        "failures": store.failures,
        "clear failure": lambda: store.clear_failure(FAILED),
        "write time remaining": lambda: store.write_time_remaining(7.0, 8.0),
        "time remaining": store.time_remaining,
        "write running": lambda: store.write_running(Running(f"{TRIAL}.{BLOCK}", "x", 2.0, 2.0, 3.0, 4.0)),
        "running": store.running,
        "clear running": lambda: store.clear_running(f"{TRIAL}.{BLOCK}"),
        "scratch": lambda: store.scratch(VARIANT),
        "clear scratch": lambda: store.clear_scratch(VARIANT),
        "check report": store.check_report,
        "write report": lambda: store.write_report("new page", {"figures/x.svg": b"new"}),
    }


def contents(root: Path) -> dict[str, tuple[str, int]]:
    """What is at each place below `root`, itself included, and when it was written; links are not followed."""
    found = {}
    for path in (root, *root.rglob("*")):
        status = path.lstat()
        if path.is_symlink():
            what = f"link to {path.readlink()}"
        else:
            what = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else f"mode {status.st_mode:o}"
        found[str(path.relative_to(root))] = (what, status.st_mtime_ns)
    return found
