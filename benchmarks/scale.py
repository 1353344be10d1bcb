"""Prints the table of docs/scale.md: planning, engine, status and report of large studies, in time and peak memory.

    python benchmarks/scale.py [plan] [engine] [folder] [overhead] [--trials 100000] [--tasks 16000 100000]
                               [--files 64000] [--workers 2]

- plan: planning `--trials` trials of a real study (digits; attacks, seeds and variants), and its tasks.
- engine: `--tasks` tasks that do nothing, in this process and on worker processes.
- folder: `brinell status` and the report of a run with `--files` files of rows (200 blocks of 250 examples a trial),
  before and after they are merged.
- overhead: a study of one attack at block 250 against the bare calls of the same functions, in turns.

Each figure is of a process of its own, so that its peak of memory is its own too. Linux only, for that peak.
"""

from __future__ import annotations

import argparse
import io
import json
import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from brinell.core import ROW_SCHEMA, Block, PlannedTrial, PlannedVariant, Point, StudyPlan, block_name, content_key
from brinell.store import RunStore, frame_of_schema, write_text
from brinell.store.content_hash import FIELD, UNFILLED, with_content_hash
from brinell.store.merged_tables import merge_trial
from brinell.study import AttackTask

BLOCK = 250
EXAMPLES = 50_000
DIGITS = {"kind": "digits", "train": {"split": "train"}, "test": {"split": "test"}}


# Planning


def large_study(trials: int) -> dict[str, Any]:
    """Nearly so many trials: 50 variants, 10 attacks, and as many seeds as that takes."""
    compressed = {
        f"inq-{epochs}": {
            "from": "baseline",
            "compress": {"kind": "inq", "weight_bits": 5, "train": {"epochs": epochs}},
        }
        for epochs in range(1, 50)
    }
    attacks = {f"pgd-{n}": {"kind": "pgd", "epsilon": n / 255, "steps": 3} for n in range(1, 11)}
    return {
        "name": "large",
        "data": DIGITS,
        "models": {"resnet8": {"kind": "resnet8"}},
        "variants": {"baseline": {"model": "resnet8", "train": {"epochs": 1}}, **compressed},
        "attacks": attacks,
        "seeds": {"variants": [0], "attacks": list(range(max(trials // 500, 1)))},
    }


def planning(trials: int) -> dict[str, float]:
    """Seconds of the plan and of its tasks."""
    from brinell.study import Study, plan, tasks

    study = Study.parse(large_study(trials))
    clock = Clock()
    planned = plan(study)
    of_plan = clock.read("plan_")
    found = tasks(planned, training_examples=1_000)
    return {"trials": len(planned.trials), "tasks": len(found), **of_plan, **clock.read()}


# The engine


def empty_tasks(count: int) -> tuple[StudyPlan, list[Any]]:
    """Attack tasks of a plan of `count` trials on 100 variants; they do nothing and wait for nothing."""
    from brinell.study import tasks

    keys = [content_key("variant", number=number) for number in range(min(count, 100))]
    block = Block(name=block_name(0, np.arange(1)), start=0, stop=1)
    trials = [
        made_up_trial(f"pgd-{n // len(keys)}", keys[n % len(keys)], (Point(0.1, 3),), (block,)) for n in range(count)
    ]
    clean = [made_up_trial("clean", key, (Point(0.0, 0),), (block,)) for key in keys]
    plan = made_up_plan(keys, [*clean, *trials], examples=1)
    return plan, [_empty(task) for task in tasks(plan) if task.kind == "judging"][len(keys) :]


def _empty(task: Any) -> Any:
    values = {part.name: getattr(task, part.name) for part in fields(task)}
    return EmptyTask(**{**values, "after": (), "after_any": ()})


class EmptyTask(AttackTask):
    """Does nothing."""

    def run(self, context: Any, progress: Any) -> None:
        """Do nothing."""


def engine(executor: str, count: int, workers: int) -> dict[str, float]:
    """Seconds from the first task to the last, workers running already."""
    from brinell.study.executors.executor import Serial
    from brinell.study.executors.processes import Processes
    from brinell.study.schedule import execute
    from brinell.study.splits import Splits
    from brinell.study.study import Study
    from brinell.study.time_remaining import TimeRemaining
    from brinell.study.worker_context import WorkerContext

    plan, waiting = empty_tasks(count)
    with tempfile.TemporaryDirectory() as folder:
        store = RunStore(Path(folder))
        study = Study.parse(large_study(1))
        context = WorkerContext(study, plan, store, {}, Splits(study.data), (1, 8, 8))
        chosen: Any = Serial(context, 1) if executor == "serial" else Processes(context, 1, workers)
        left = TimeRemaining(waiting)

        def observe(event: Any) -> None:
            now = time.time()
            if hasattr(event, "status"):
                left.end(event, now)
            else:
                left.advance(event, now)
            left.seconds(now)

        with chosen:
            execute(waiting[: 4 * workers], chosen, lambda event: None, {})
            clock = Clock()
            endings = execute(waiting, chosen, observe, {})
            seconds = clock.read()
    failed = [ending for ending in endings if ending.status != "done"]
    if failed or len(endings) != count:
        raise RuntimeError(f"{len(endings)} of {count} tasks ended: {failed[:1]}")
    return {"tasks": count, **seconds}


# A folder of many files


def made_up_trial(attack: str, key: str, points: tuple[Point, ...], blocks: tuple[Block, ...], seed: int = 0) -> Any:
    """A trial of PGD, or one without an attack."""
    kind = "clean" if attack == "clean" else "pgd"
    spec = {"kind": kind} if kind == "clean" else {"kind": kind, "epsilon": 0.1, "steps": 3}
    return PlannedTrial(
        key=content_key("trial", attack=attack, on=key, seed=seed), attack=attack, kind=kind, spec=spec, norm="linf",
        judged_on=key, crafted_on=key, seed=seed, view="exact", runtime="reference", random=False, points=points,
        blocks=blocks,
    )  # fmt: skip


def made_up_plan(keys: list[str], trials: list[PlannedTrial], examples: int) -> StudyPlan:
    """Networks of these keys, all compared with the first."""
    variants = tuple(
        PlannedVariant(
            name=f"network {number}", key=key, seed=0, parent=None if not number else keys[0], baseline=keys[0],
            family="model", architecture="resnet20", settings={},
        )
        for number, key in enumerate(keys)
    )  # fmt: skip
    return StudyPlan(
        name="scale", classes=1000, class_names=(), dataset="made up", fingerprint="0" * 64, examples=examples,
        config={}, variants=variants, trials=tuple(trials),
    )  # fmt: skip


def folder_plan(files: int) -> StudyPlan:
    """20 networks or fewer, of 50,000 examples: trials of 200 blocks, as many as make so many files."""
    trials = max(files * BLOCK // EXAMPLES, 1)
    variants = min(20, trials)
    ids = np.arange(EXAMPLES)
    blocks = tuple(
        Block(name=block_name(index, ids[start : start + BLOCK]), start=start, stop=start + BLOCK)
        for index, start in enumerate(range(0, EXAMPLES, BLOCK))
    )
    keys = [content_key("variant", number=number) for number in range(variants)]
    points = (Point(2 / 255, 10),)
    found = [made_up_trial("clean", key, (Point(0.0, 0),), blocks) for key in keys]
    found += [
        made_up_trial(f"pgd-{number // variants}", keys[number % variants], points, blocks)
        for number in range(variants, trials)
    ]
    return made_up_plan(keys, found, EXAMPLES)


def fill(root: str, files: int) -> None:
    """Rows drawn at random, the same for each attack; nothing is synced, for that is a figure of the disk."""
    plan, store = folder_plan(files), RunStore(Path(root))
    tables: dict[tuple[str, str], bytes] = {}
    with patch.object(os, "fsync", lambda descriptor: None):
        store.write_study("name: scale\n", plan, {})
        for variant in plan.variants:
            with store.new_variant(variant.key) as folder:
                costs = {"encoded_bytes": 1_000_000, "dense_bytes": 4_000_000, "parameters": 1_000_000, "macs": 10**8}
                write_text(folder / "costs.json", json.dumps({**costs, "ncc": 10**8}))
        for trial in plan.trials:
            if (trial.kind, trial.blocks[0].name) not in tables:
                tables |= made_up_tables(trial)
            for block in trial.blocks:
                path = store.rows_path(trial.key, block.name)
                path.parent.mkdir(parents=True, exist_ok=True)
                place = path.relative_to(root).as_posix()
                path.write_bytes(with_content_hash(tables[trial.kind, block.name], place))


def made_up_tables(trial: PlannedTrial) -> dict[tuple[str, str], bytes]:
    """The files of the trial's blocks, each with its hash still to fill, by the kind and the block's name."""
    rows, found = made_up_rows(trial, np.random.default_rng(len(trial.kind))), {}
    footer = {"trial": trial.model_dump(mode="json", exclude={"blocks"}), "environment": {"machine": "made up"}}
    footer |= {"computation": {"forms": {"source": "folded"}, "gradients": 2500, "zero_gradients": 1}}
    for block in trial.blocks:
        buffer = io.BytesIO()
        metadata = {"brinell": json.dumps({**footer, "block": block.model_dump()}), FIELD: UNFILLED}
        rows.slice(block.start, BLOCK).write_parquet(buffer, compression="zstd", metadata=metadata)
        found[trial.kind, block.name] = buffer.getvalue()
    return found


def made_up_rows(trial: PlannedTrial, chance: np.random.Generator) -> Any:
    """One reading of each example."""
    (point,) = trial.points
    clean = np.random.default_rng(0).uniform(size=EXAMPLES) < 0.25
    rank = (clean | ((chance.uniform(size=EXAMPLES) < 0.5) & (trial.kind != "clean"))).astype(int)
    values = {
        "example_id": np.arange(EXAMPLES),
        "label": np.arange(EXAMPLES) % 1000,
        "epsilon": [point.epsilon] * EXAMPLES,
        "steps": np.full(EXAMPLES, point.steps),
        "clean_prediction": chance.integers(0, 1000, EXAMPLES),
        "prediction": chance.integers(0, 1000, EXAMPLES),
        "clean_rank": clean.astype(int),
        "rank": rank,
        "margin": chance.normal(size=EXAMPLES),
        "l2": chance.exponential(size=EXAMPLES) * (trial.kind != "clean"),
        "linf": np.full(EXAMPLES, point.epsilon),
        "forwards": np.full(EXAMPLES, point.steps),
        "status": ["attacked"] * EXAMPLES,
    }
    zeros = np.zeros(EXAMPLES)
    held = {name: zeros for name, kind in ROW_SCHEMA.items() if not kind.endswith("?") and name not in values}
    return frame_of_schema({**held, **values}, ROW_SCHEMA)


def merging(root: str) -> dict[str, float]:
    """Seconds of merging every trial."""
    store = RunStore(Path(root))
    clock = Clock()
    with patch.object(os, "fsync", lambda descriptor: None):
        for trial in store.plan().trials:
            merge_trial(store.root, trial.key, [block.name for block in trial.blocks])
    return clock.read()


def status(root: str) -> dict[str, float]:
    """Seconds of `brinell status`, without those of starting Python."""
    from typer.testing import CliRunner

    from brinell.cli.app import app

    CliRunner().invoke(app, ["status", "--help"])
    clock = Clock()
    result = CliRunner().invoke(app, ["status", root])
    seconds = clock.read()
    if result.exit_code:
        raise RuntimeError(result.output)
    return seconds


def report(root: str) -> dict[str, float]:
    """Seconds of the report."""
    from brinell.reporting import write_with_problems

    clock = Clock()
    drawn = write_with_problems(root)
    seconds = clock.read()
    if drawn.problems:  # the time of a page that leaves things out would be flattering
        raise RuntimeError(drawn.problems[0])
    return {**seconds, "page_mb": drawn.page.stat().st_size / 1e6}


# The engine's overhead


def overhead(seeds: int) -> dict[str, float]:
    """What the serial executor takes beside the calls that judge and attack, in per cent of those; blocks of 250."""
    from brinell.study import Study, run
    from brinell.study.tasks import attack

    config = large_study(1) | {"block": BLOCK}
    config["variants"] = {"baseline": config["variants"]["baseline"]}
    config["attacks"] = {
        "pgd": {"kind": "pgd", "epsilon": 8 / 255, "steps": 20, "step_size": 1 / 255, "seeds": list(range(seeds))}
    }
    bare: list[float] = []
    times: list[float] = []

    def timed(call: Callable[..., Any]) -> Callable[..., Any]:
        def measured(*args: Any, **settings: Any) -> Any:
            started = time.perf_counter()
            try:
                return call(*args, **settings)
            finally:
                bare.append(time.perf_counter() - started)

        return measured

    def observe(event: Any) -> None:
        if getattr(getattr(event, "task", None), "kind", "") == "judging" or getattr(event, "status", "") == "done":
            times.append(time.perf_counter())

    with (
        tempfile.TemporaryDirectory() as folder,
        patch.object(attack, "run_trial", timed(attack.run_trial)),
        patch.object(attack, "clean_predictions", timed(attack.clean_predictions)),
    ):
        run(Study.parse(config), out=folder, observe=observe, threads=1)
    whole = times[-1] - times[0]
    return {
        "blocks": len(bare),
        "ms_a_block": 1000 * whole / len(bare),
        "overhead_percent": 100 * (whole / sum(bare) - 1),
    }


# The table


def measured(call: Callable[..., dict[str, float]], *args: Any) -> dict[str, float]:
    """What `call` returns, with the peak of memory; in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_with_peak, (call, args))


def _with_peak(call: Callable[..., dict[str, float]], args: tuple[Any, ...]) -> dict[str, float]:
    return {**call(*args), "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}


class Clock:
    """Seconds since it was made: of the wall, and of this process' processor."""

    def __init__(self) -> None:
        self.wall, self.processor = time.perf_counter(), time.process_time()

    def read(self, name: str = "") -> dict[str, float]:
        """Both, under `name`."""
        wall, processor = time.perf_counter() - self.wall, time.process_time() - self.processor
        return {f"{name}seconds": wall, f"{name}cpu_seconds": processor}


def lines(options: argparse.Namespace) -> Iterator[tuple[str, dict[str, float]]]:
    """Each line of the table, as soon as it is measured."""
    if "plan" in options.parts:
        yield "plan and tasks", measured(planning, options.trials)
    if "engine" in options.parts:
        for executor in ("serial", "processes"):
            for count in options.tasks:
                yield f"engine, {executor}", measured(engine, executor, count, options.workers)
    if "folder" in options.parts:
        with tempfile.TemporaryDirectory() as folder:
            root = str(Path(folder) / "scale") if options.folder is None else options.folder
            if not Path(root).exists():
                measured(fill, root, options.files)
            for state in ("files a block", "files a trial"):
                if state == "files a trial":
                    yield f"merging {options.files:,} files", measured(merging, root)
                yield f"status, {state}", measured(status, root)
                yield f"report, {state}", measured(report, root)
    if "overhead" in options.parts:
        yield "overhead, block 250", measured(overhead, 20)


def main() -> None:
    """Measure and print."""
    asked = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parts = ("plan", "engine", "folder", "overhead")
    asked.add_argument("parts", nargs="*", choices=(*parts, []), default=parts)
    asked.add_argument("--trials", type=int, default=100_000)
    asked.add_argument("--tasks", type=int, nargs="+", default=[16_000, 100_000])
    asked.add_argument("--files", type=int, default=64_000)
    asked.add_argument("--workers", type=int, default=2)
    asked.add_argument("--folder", help="of the run of many files: kept, and made only where it is missing")
    for name, figures in lines(asked.parse_args()):
        print(
            f"{name:28}",
            "  ".join(f"{key} {value:,.2f}".removesuffix(".00") for key, value in figures.items()),
            flush=True,
        )


if __name__ == "__main__":
    main()
