"""A run's folder with one of everything: transfers, minimum-norm and targeted attacks, probes, training, notes.

`PYTHONPATH=tests python -m reporting.rich_run FOLDER [VARIANTS]` makes one to look at.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from brinell.core import ROW_SCHEMA, Block, PlannedProbe, PlannedTrial, Point, StudyPlan, content_key, derive_seed
from brinell.store import RunStore, frame_of_schema, write_table
from brinell.store.variant_files import write_manifest
from reporting.fake_run import ATTACKS, FAKES, Fake, _radii, _rows, fake_plan, many, write_block, write_fake_run

STEPS = (1, 5, 20)
GENERATIONS = (50, 100, 200)
SIDE = 32
PROBES = ("masking", "corruptions", "activation_maps", "latency", "energy", "gallery")
TRAINING = {
    "epoch": "int32",
    "stage": "string",
    "loss": "float64",
    "learning_rate": "float64",
    "accuracy": "float64?",
    "seconds": "float64",
}

EXTRA: dict[str, tuple[dict[str, Any], tuple[Point, ...]]] = {
    "transfer": (ATTACKS["fgsm"], (Point(2 / 255, 1), Point(4 / 255, 1))),
    "deepfool": ({"kind": "deepfool", "norm": "l2"}, tuple(Point(None, steps) for steps in STEPS)),
    "carlini_wagner": ({"kind": "carlini_wagner"}, tuple(Point(None, steps) for steps in (10, 50))),
    "gen_attack": (
        {"kind": "gen_attack", "norm": "linf", "population": 16},
        tuple(Point(8 / 255, steps) for steps in GENERATIONS),
    ),
}


def rich_plan(fakes: tuple[Fake, ...] = FAKES, *, examples: int = 200) -> StudyPlan:
    """The fake plan with more attacks and every probe on every variant."""
    plan = fake_plan(fakes, examples=examples)
    blocks = plan.trials[0].blocks
    keys = [variant.key for variant in plan.variants]
    trials = list(plan.trials)
    for attack, (spec, points) in EXTRA.items():
        pairs = [
            (judged, crafted) for judged in keys for crafted in keys if (judged != crafted) == (attack == "transfer")
        ]
        for judged, crafted in pairs:
            trials.append(
                trials[0].model_copy(
                    update={
                        "key": content_key("trial", attack=attack, on=judged, by=crafted),
                        "attack": attack,
                        "kind": spec["kind"],
                        "spec": spec,
                        "norm": "l2" if attack == "carlini_wagner" else None,  # older plans do not hold it
                        "judged_on": judged,
                        "crafted_on": crafted,
                        "points": points,
                        "blocks": blocks,
                    }
                )
            )
    probes = tuple(
        PlannedProbe(key=content_key("probe", asks=kind, on=key), kind=kind, variant=key, spec={"kind": kind}, seed=0)
        for kind in PROBES
        for key in keys
    )
    return plan.model_copy(update={"trials": tuple(trials), "probes": probes})


def write_rich_run(root: Path, fakes: tuple[Fake, ...] = FAKES, *, examples: int = 200) -> RunStore:
    """A whole run in the folder `root`."""
    store = write_fake_run(root, fakes, examples=examples)
    plan = rich_plan(fakes, examples=examples)
    store.write_study("name: fake\n", plan, store.environment())
    records = {variant.key: fake for variant, fake in zip(plan.variants, fakes, strict=True)}
    for trial in plan.trials:
        if trial.attack in EXTRA:
            for block in trial.blocks:
                _write(store, trial, block, records)
    for probe in plan.probes:
        store.write_probe(probe.key, *_probe(probe, records[probe.variant]))
    for key, fake in records.items():
        _enrich(store, key, fake)
    return store


def _write(store: RunStore, trial: PlannedTrial, block: Block, records: dict[str, Fake]) -> None:
    judged, crafted = records[trial.judged_on], records[trial.crafted_on]
    if trial.attack == "transfer":
        write_block(store, trial.model_copy(update={"attack": f"transfer {crafted.name}"}), block, judged)
        return
    ids = np.arange(block.start, block.stop)
    parts = [_extra_rows(trial, point, ids, judged) for point in trial.points]
    columns = {name: np.ma.concatenate([part[name] for part in parts]) for name in parts[0]}
    store.write_rows(trial.key, block.name, frame_of_schema(columns, ROW_SCHEMA), {"seed": 0})


def _extra_rows(trial: PlannedTrial, point: Point, ids: np.ndarray, fake: Fake) -> dict[str, np.ndarray]:
    """A minimum-norm attack reaches who is near enough for its steps; a targeted one gets some to the target."""
    reach = Point(fake.radius / 255 * point.steps / 4, point.steps) if point.epsilon is None else point
    rows = _rows(fake, trial, reach, ids, 10)
    radius = _radii(fake, ids, trial.attack, trial.seed, point.steps)
    broken = rows["rank"] == 1
    if point.epsilon is None:
        nothing = np.ma.array(np.zeros(len(ids)), mask=np.ones(len(ids), dtype=bool))
        rows |= {"epsilon": nothing, "l2": np.where(broken, radius * 30, 0.0), "linf": np.where(broken, radius, 0.0)}
    else:
        luck = np.random.default_rng(derive_seed(1, "target", fake.name)).uniform(size=len(ids))
        reached = broken & (luck < point.steps / 400)
        rows |= {"target": (rows["label"] + 1) % 10, "target_rank": np.where(reached, 0, 3)}
    return rows


def _probe(probe: PlannedProbe, fake: Fake) -> tuple[dict[str, Any], dict[str, np.ndarray] | None]:
    chance = np.random.default_rng(derive_seed(0, "probe", fake.name))
    if probe.kind == "masking":
        return _masking(fake), None
    if probe.kind == "corruptions":
        return _corruptions(fake), None
    if probe.kind == "latency":
        readings = [
            {"runtime": runtime, "batch": batch, "median_ms": ms, "low_ms": 0.9 * ms, "high_ms": 1.2 * ms, "runs": 50}
            for runtime, batch, ms in (("torch", 1, fake.macs / 1e6), ("torch", 32, fake.macs / 5e4))
        ]
        return {"machine": "2 cores", "threads": 1, "readings": readings}, None
    if probe.kind == "energy":
        joules = fake.macs / 1e4
        energy = {"time_s": [joules / 20, 0.1], "power_w": None, "energy_j": [joules, joules / 50]}
        about = {"machine": "2 cores", "source": "modelled", "meter": "model", "runs": 10, "examples": 1000}
        return {**about, **energy}, None
    image = chance.integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8)
    if probe.kind == "activation_maps":
        ramp = np.linspace(0, 255, SIDE * SIDE).reshape(SIDE, SIDE).astype(np.uint8)
        arrays = {"image": image}
        readings = []
        for place, steps in enumerate((0, 1, 5)):
            arrays |= {f"map_{steps}": np.roll(ramp, 8 * place, axis=1), f"adversarial_{steps}": image}
            third = 184.0 - 20 * place
            many_ = {"mean": third - 5, "low": third - 8, "high": third - 2, "examples": 100}
            readings.append({"steps": steps, "prediction": place, "third_quartile": third, **many_})
        shown = {"example_id": 6, "label": 0}
        return {"method": "cam", "layer": "conv", "attack": "deepfool", "shown": shown, "readings": readings}, arrays
    clean = chance.uniform(size=(6, SIDE, SIDE, 3)).astype(np.float32)
    noise = chance.uniform(-8 / 255, 8 / 255, clean.shape).astype(np.float32)
    examples = [{"example_id": n, "label": n, "clean_prediction": n, "prediction": n + 1} for n in range(6)]
    record = {"attack": "pgd", "epsilon": 8 / 255, "steps": 20, "examples": examples}
    return record, {"clean": clean, "adversarial": np.clip(clean + noise, 0, 1)}


def _corruptions(fake: Fake) -> dict[str, Any]:
    """Noise takes a tenth of the clean accuracy a severity, blur a twentieth."""
    losses = {"gaussian_noise": 0.1, "zoom_blur": 0.05}
    readings = [
        {"corruption": name, "severity": severity, "accuracy": fake.clean * (1 - loss * severity)}
        for name, loss in losses.items()
        for severity in range(1, 6)
    ]
    mean = fake.clean * (1 - 0.075 * 3)
    about = {"settings": "CIFAR-10-C", "examples": 200, "clean_accuracy": fake.clean, "mean_accuracy": mean}
    return {**about, "readings": readings}


def _masking(fake: Fake) -> dict[str, Any]:
    blind = fake.blind > 0
    evidence = [
        {
            "check": "zero gradients",
            "value": fake.blind,
            "threshold": 0.05,
            "suspicious": blind,
            "says": f"{fake.blind:.0%} of the gradients are exactly zero",
        },
        {
            "check": "gradient-free",
            "value": 0.02,
            "threshold": 0.1,
            "suspicious": False,
            "says": "a search without gradients broke 2% of what stood",
        },
    ]
    summary = "The gradients are masked." if blind else "No sign of masked gradients in 2 checks."
    return {"masked": blind, "summary": summary, "examples": 100, "epsilon": 4 / 255, "evidence": evidence}


SEARCHED: dict[str, Any] = {
    "kept": {"net.conv1": 0.8, "net.conv2": 0.3, "net.linear": 0.5},
    "units": {"net.conv1": 0.8, "net.conv2": 0.375},
    "amc": {
        "reward": "accuracy",
        "examples": 100,
        "uniform": 0.4,
        "chosen": 0.7,
        "rates": {"net.conv1": 0.81, "net.conv2": 0.38},
        "uniform_rates": {"net.conv1": 0.5, "net.conv2": 0.5},
        "random_episodes": 2,
        "episodes": {"episode": [1, 2, 3, 4], "score": [0.2, 0.5, 0.3, 0.7]},
    },
}
"""What pruning notes whose rates an agent has searched for."""

OPERATED: dict[str, Any] = {
    "kept": {"net.conv1": 0.4, "net.conv2": 0.1, "net.linear": 0.1},
    "surgery": {
        "phase": [1, 1, 1, 2, 2],
        "step": [0, 5, 9, 0, 9],
        "pruned": [900, 30, 10, 80, 1],
        "spliced": [0, 20, 0, 0, 0],
        "left": [100, 90, 80, 20, 19],
    },
}
"""What surgery notes, of 1,000 weights in convolutions and 100 in a linear layer."""


def _made(fake: Fake) -> dict[str, Any]:
    return {"prune": SEARCHED, "inq": OPERATED}.get(fake.family, {})


def _enrich(store: RunStore, key: str, fake: Fake) -> None:
    folder = store.variant(key)
    costs = json.loads((folder / "costs.json").read_text())
    sizes = {"deflate": 280_000, "xz": 270_000, "zpaq": 255_000}
    costs |= {"nominal_bytes": None, "entropy_bytes": fake.encoded_bytes - 900, "general_purpose": sizes}
    (folder / "costs.json").write_text(json.dumps(costs))
    note = {"kept_share": 0.5, "rewards": [0.1, 0.4, 0.6], "layers": {"conv1": 3}, **_made(fake)}
    (folder / "figures.json").write_text(json.dumps({"steps": [{"kind": fake.family, "seed": 0, "figures": note}]}))
    epochs = range(1, 7)
    columns = {
        "epoch": [1, 2, 3, 1, 2, 3],
        "stage": ["first"] * 3 + ["second"] * 3,
        "loss": [2 / epoch + 0.1 * fake.clean for epoch in epochs],
        "learning_rate": [0.1 / epoch for epoch in epochs],
        "accuracy": [None if fake.family == "distill" else fake.clean * (1 - 0.5 / epoch) for epoch in epochs],
        "seconds": [3.0] * 6,
    }
    write_table(folder / "training.parquet", frame_of_schema(columns, TRAINING), {})
    write_manifest(store.root, key, folder)


if __name__ == "__main__":
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    write_rich_run(Path(sys.argv[1]), many(count) if count else FAKES)
