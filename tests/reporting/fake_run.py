"""A run's folder as a study would have written it, without a study: every number follows from a seed.

`python tests/reporting/fake_run.py FOLDER` makes one to look at.
"""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from brinell.core import (
    ROW_SCHEMA,
    TRACE_SCHEMA,
    Block,
    PlannedTrial,
    PlannedVariant,
    Point,
    StudyPlan,
    block_name,
    content_key,
    derive_seed,
)
from brinell.store import Failure, RunStore, frame_of_schema

BLOCK = 100


@dataclass(frozen=True)
class Fake:
    """How a made-up variant behaves: clean accuracy, toughness (median breaking radius in 1/255), blindness, bytes."""

    name: str
    family: str
    clean: float
    radius: float
    blind: float
    encoded_bytes: int
    macs: int
    architecture: str = "resnet8"
    parent: str | None = "baseline"


BASELINE = Fake("baseline", "train", 0.975, 5.0, 0.0, 300_412, 1_240_000, parent=None)
FAKES = (
    BASELINE,
    Fake("distilled", "distill", 0.972, 6.6, 0.0, 301_020, 1_240_000),
    Fake("pruned", "prune", 0.966, 4.7, 0.0, 96_310, 620_000),
    Fake("xnor", "xnor_net", 0.903, 7.4, 0.16, 21_760, 96_000),
    Fake("inq", "inq", 0.971, 4.9, 0.0, 58_944, 1_240_000),
)
ATTACKS: dict[str, dict[str, Any]] = {
    "fgsm": {"kind": "fgsm", "norm": "linf", "loss": "cross_entropy", "label": "true"},
    "pgd": {"kind": "pgd", "norm": "linf", "step_size": 0.5 / 255, "restarts": 1, "random_start": True},
}
POINTS = {
    "fgsm": tuple(Point(n / 255, 1) for n in (1, 2, 4, 8, 16)),
    "pgd": tuple(Point(n / 255, steps) for n in (1, 2, 4, 8) for steps in (5, 20)),
}
SEEDS = {"fgsm": (0,), "pgd": (0, 1)}


def fake_plan(fakes: tuple[Fake, ...] = FAKES, *, examples: int = 400, classes: int = 10) -> StudyPlan:
    """The plan of a study of `fakes` under FGSM and PGD."""
    keys = {fake.name: content_key("variant", name=fake.name) for fake in fakes}
    variants = tuple(_planned(fake, keys, fakes) for fake in fakes)
    blocks = _blocks(examples)
    trials = [_trial("clean", {"kind": "clean"}, (Point(0.0, 0),), 0, fake, keys, blocks) for fake in fakes]
    for name, spec in ATTACKS.items():
        for fake in fakes:
            trials += [_trial(name, spec, POINTS[name], seed, fake, keys, blocks) for seed in SEEDS[name]]
    return StudyPlan(
        name="fake",
        classes=classes,
        class_names=tuple(map(str, range(classes))),
        dataset="digits",
        fingerprint="0" * 64,
        examples=examples,
        config={"name": "fake", "attacks": ATTACKS},
        variants=variants,
        trials=tuple(trials),
    )


def write_fake_run(root: Path, fakes: tuple[Fake, ...] = FAKES, *, examples: int = 400, classes: int = 10) -> RunStore:
    """A whole run in the folder `root`."""
    store, plan = RunStore(root), fake_plan(fakes, examples=examples, classes=classes)
    environment = {
        "versions": {"python": "3.11.2", "brinell": "0.1.0", "torch": "2.13.0"},
        "commit": None,
        "machine": {"cores": 2, "gpu": None},
    }
    store.write_study("name: fake\n", plan, environment)
    records = {variant.key: fake for variant, fake in zip(plan.variants, fakes, strict=True)}
    dense = max(fake.encoded_bytes for fake in fakes) * 1.07
    for key, fake in records.items():
        with store.new_variant(key) as folder:
            (folder / "costs.json").write_text(json.dumps(_costs(fake, round(dense))))
    for trial in plan.trials:
        for block in trial.blocks:
            write_block(store, trial, block, records[trial.judged_on], classes)
    return store


def write_block(store: RunStore, trial: PlannedTrial, block: Block, fake: Fake, classes: int = 10) -> None:
    """Rows, and traces where the trial has them, of one block."""
    ids = np.arange(block.start, block.stop)
    points = [_rows(fake, trial, point, ids, classes) for point in trial.points]
    columns = {name: np.ma.concatenate([part[name] for part in points]) for name in points[0]}
    traces = None if trial.trace_every is None else frame_of_schema(_traces(fake, trial, ids), TRACE_SCHEMA)
    store.write_rows(trial.key, block.name, frame_of_schema(columns, ROW_SCHEMA), {"seed": trial.seed}, traces)


def half_finished(store: RunStore) -> None:
    """Take away what a run killed halfway would not have, and let one variant have failed."""
    plan = store.plan()
    last = plan.variants[-1]
    for trial in plan.trials:
        for place, block in enumerate(trial.blocks):
            late = trial.attack == "pgd" and (trial.seed > 0 or place >= 2)
            if late or trial.judged_on == last.key:
                store.rows_path(trial.key, block.name).unlink()
    shutil.rmtree(store.variant(last.key))
    store.write_failure(
        Failure(last.key, f"variant {last.name}", "the loss is NaN in epoch 3", "Traceback ...", unsupported=False)
    )


def _planned(fake: Fake, keys: dict[str, str], fakes: tuple[Fake, ...]) -> PlannedVariant:
    parents = {other.name: other.parent for other in fakes}
    root = fake.name
    while (above := parents[root]) is not None:
        root = above
    return PlannedVariant(
        name=fake.name,
        key=keys[fake.name],
        seed=0,
        parent=None if fake.parent is None else keys[fake.parent],
        baseline=keys[root],
        family=fake.family,
        architecture=fake.architecture,
        settings={"kind": fake.family},
    )


def _blocks(examples: int) -> tuple[Block, ...]:
    cuts = [(start, min(start + BLOCK, examples)) for start in range(0, examples, BLOCK)]
    return tuple(
        Block(name=block_name(place, np.arange(start, stop)), start=start, stop=stop)
        for place, (start, stop) in enumerate(cuts)
    )


def _trial(
    attack: str,
    spec: dict[str, Any],
    points: tuple[Point, ...],
    seed: int,
    fake: Fake,
    keys: dict[str, str],
    blocks: tuple[Block, ...],
) -> PlannedTrial:
    return PlannedTrial(
        key=content_key("trial", attack=attack, on=keys[fake.name], seed=seed),
        attack=attack,
        kind=spec["kind"],
        spec=spec,
        judged_on=keys[fake.name],
        crafted_on=keys[fake.name],
        seed=seed,
        view="straight_through" if fake.family == "xnor_net" else "exact",
        runtime="reference",
        random=attack == "pgd",
        points=points,
        trace_every=1 if attack == "pgd" else None,
        blocks=blocks,
    )


def _costs(fake: Fake, dense: int) -> dict[str, float | int]:
    return {
        "weights": 72_000,
        "parameters": 75_000,
        "memory_mb": fake.encoded_bytes * 0.94 / 1e6,
        "macs": fake.macs,
        "xnor_ops": 1_150_000 if fake.family == "xnor_net" else 0,
        "ncc": fake.macs + (1_150_000 / 48 if fake.family == "xnor_net" else 0),
        "dense_bytes": dense,
        "encoded_bytes": fake.encoded_bytes,
        "nonzero": 36_000 if fake.family == "prune" else 72_000,
    }


def _radii(fake: Fake, ids: np.ndarray, attack: str, seed: int, steps: int) -> np.ndarray:
    """The radius that breaks each example: shared by all variants but for some noise; 0 for what is wrong already."""
    shared, own, luck = (np.random.default_rng(derive_seed(0, *purpose)) for purpose in (
        ("example",), ("own", fake.name), ("luck", fake.name, attack, seed)))  # fmt: skip
    count = int(ids.max()) + 1
    hard = shared.normal(size=count) * 0.85 + own.normal(size=count) * 0.35 + luck.normal(size=count) * 0.06
    weak = {"fgsm": 1.25 if fake.blind == 0 else 0.8, "clean": 1.0}.get(attack, 1.0 + 0.6 / max(steps, 1))
    wrong = shared.uniform(size=count) + 0.02 * own.normal(size=count) > fake.clean
    return np.where(wrong, 0.0, fake.radius / 255 * np.exp(0.6 * hard) * weak)[ids]


def _rows(fake: Fake, trial: PlannedTrial, point: Point, ids: np.ndarray, classes: int) -> dict[str, np.ndarray]:
    epsilon, count = point.epsilon or 0.0, len(ids)
    radius = _radii(fake, ids, trial.attack, trial.seed, point.steps)
    wrong = min(1, classes - 1)  # of one class nothing is wrong
    clean, broken = wrong * (radius == 0).astype(np.int32), wrong * (radius <= epsilon).astype(np.int32)
    label = ids % classes
    steps = np.where(clean == 1, 0, point.steps)
    chance = np.random.default_rng(derive_seed(trial.seed, "blind", fake.name)).uniform(size=int(ids.max()) + 1)[ids]
    void = np.full(count, 0 < epsilon * 255 <= 0.5)
    return {
        "example_id": ids,
        "label": label,
        "epsilon": np.full(count, epsilon),
        "steps": np.full(count, point.steps),
        "clean_prediction": (label + clean) % classes,
        "clean_rank": clean,
        "prediction": (label + broken) % classes,
        "rank": broken,
        "margin": radius - epsilon,
        "prediction_rounded": np.ma.array((label + broken) % classes, mask=void),
        "rank_rounded": np.ma.array(broken, mask=void),
        "l0": np.full(count, 60 if epsilon > 0 else 0),
        "l2": np.full(count, epsilon * 7.5),
        "linf": np.full(count, epsilon),
        "restart": np.zeros(count),
        "forwards": steps + 1,
        "backwards": steps,
        "zero_gradients": np.where(chance < fake.blind, steps, 0),
        "status": np.where(clean == 1, "spared", "attacked"),
    }


def _traces(fake: Fake, trial: PlannedTrial, ids: np.ndarray) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {name: [] for name in TRACE_SCHEMA}
    for epsilon in dict.fromkeys(point.epsilon for point in trial.points):
        for step in range(21):
            reach = float(epsilon or 0.0) * min(1.0, (0.3 + step * 0.12) ** 0.8)
            radius = _radii(fake, ids, trial.attack, trial.seed, 20)
            correct = int((radius > reach).sum())
            loss = np.log1p(np.exp(np.clip(6 * (reach - radius) * 255 / fake.radius, -30, 30)))
            row = (0, step, epsilon, len(ids), correct, loss.sum(), (loss**2).sum(), int(fake.blind * len(ids)))
            for name, value in zip(TRACE_SCHEMA, row, strict=True):
                columns[name].append(value)
    return columns


def many(count: int) -> tuple[Fake, ...]:
    """A study of `count` variants of two networks."""
    fakes = [BASELINE, replace(BASELINE, name="large", clean=0.985, radius=6.0, encoded_bytes=880_000, macs=3_900_000)]
    for place in range(count - 2):
        kind = FAKES[1 + place % 4]
        parent = "large" if place % 2 else "baseline"
        bytes_ = kind.encoded_bytes * (3 if parent == "large" else 1) + 1500 * place
        fakes.append(replace(kind, name=f"{parent}-{kind.name}-{place}", parent=parent, encoded_bytes=bytes_,
                             clean=kind.clean - 0.002 * place, radius=kind.radius * (1 + 0.03 * place)))  # fmt: skip
    return tuple(fakes)


if __name__ == "__main__":
    write_fake_run(Path(sys.argv[1]))
