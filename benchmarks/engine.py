"""What the engine costs a task: a plan of many trials becomes tasks, which the serial executor runs; they do nothing.

    python benchmarks/engine.py [TRIALS ...]

prints seconds of this process (whatever else the machine does) for planning the tasks, for finding out that all of
them are missing, and for running them.
"""

from __future__ import annotations

import itertools
import resource
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import patch

from brinell.core import Block, PlannedTrial, PlannedVariant, Point, StudyPlan
from brinell.store import RunStore
from brinell.study import AttackTask, TaskProgress, TimeRemaining, VariantTask, missing, tasks
from brinell.study.executors.executor import Serial
from brinell.study.schedule import execute

VARIANTS = 100
SEEDS = 10
BLOCK = Block(name="0000-1-0000000000", start=0, stop=1)


def plan_of(count: int) -> StudyPlan:
    """So many trials of PGD on 100 variants with 10 seeds each, beside the clean ones."""
    keys = [f"{number:020x}" for number in range(VARIANTS)]
    variants = [
        PlannedVariant(
            name=f"v{number}", key=key, seed=0, parent=None, baseline=key, family="model", architecture="", settings={}
        )
        for number, key in enumerate(keys)
    ]
    clean = [_trial(number, "clean", "clean", 0, key) for number, key in enumerate(keys)]
    attacked = [
        _trial(VARIANTS + n, f"attack{n // VARIANTS // SEEDS}", "pgd", n // VARIANTS % SEEDS, keys[n % VARIANTS])
        for n in range(count)
    ]
    return StudyPlan(
        name="scale", classes=10, class_names=(), dataset="digits", fingerprint="", examples=1, config={},
        variants=tuple(variants), trials=(*clean, *attacked),
    )  # fmt: skip


def _trial(number: int, attack: str, kind: str, seed: int, variant: str) -> PlannedTrial:
    return PlannedTrial(
        key=f"{number + VARIANTS:020x}", attack=attack, kind=kind, judged_on=variant, crafted_on=variant,
        spec={"kind": kind, "epsilon": 0.1, "steps": 3}, seed=seed, view="exact",
        runtime="reference", random=True, points=(Point(0.1, 3),),
        blocks=(BLOCK,),
    )  # fmt: skip


def _nothing(*_: object) -> None:
    """The work of a task."""


def main() -> None:
    for count in map(int, sys.argv[1:] or ("16000", "100000")):
        plan = plan_of(count)
        moments = [time.process_time()]
        everything = tasks(plan)
        moments.append(time.process_time())
        with tempfile.TemporaryDirectory() as folder:
            store = RunStore(Path(folder))
            waiting = missing(everything, store, plan.classes)
            moments.append(time.process_time())
            left = TimeRemaining(waiting)

            def observe(event: object, left: TimeRemaining = left) -> None:
                now = time.time()
                if isinstance(event, TaskProgress):
                    left.advance(event, now)
                else:
                    left.end(cast(Any, event), now)
                left.seconds(now)

            context = cast(Any, SimpleNamespace(store=store, recorded=0.0))
            with (
                patch.object(VariantTask, "run", _nothing),
                patch.object(AttackTask, "run", _nothing),
                Serial(context, 1) as executor,
            ):
                results = execute(waiting, executor, observe, {})
            moments.append(time.process_time())
        planning, looking, running = (after - before for before, after in itertools.pairwise(moments))
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(
            f"{len(results):,} tasks: planned in {planning:.1f} s, found missing in {looking:.1f} s, "
            f"run in {running:.1f} s; {memory:.2f} GB"
        )


if __name__ == "__main__":
    main()
