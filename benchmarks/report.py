"""How long the report of a large study takes, how much memory, how big its page is and how soon a browser shows it.

    python benchmarks/report.py [--variants 20] [--examples 1000]

Two networks with their compressed variants, seven attacks: FGSM and PGD (five seeds, traced) over four radii, a PGD of
one radius, DeepFool, C&W, a black-box search, and transfers from both networks. The rows are drawn at random, and every
variant has pictures. Printed: seconds and peak memory of the report alone, bytes of the page, and seconds until a
browser (Playwright and Chromium, where there are such) has loaded it. Linux only, for its peak of memory.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from brinell.core import (
    ROW_SCHEMA,
    TRACE_SCHEMA,
    Block,
    PlannedProbe,
    PlannedTrial,
    PlannedVariant,
    Point,
    StudyPlan,
    block_name,
    content_key,
)
from brinell.store import RunStore, frame_of_schema, write_text

WANTED = {"seconds": 60.0, "peak_gb": 2.0, "page_mb": 10.0, "opens_s": 2.0}
RADII = (1 / 255, 2 / 255, 4 / 255, 8 / 255)
FREE = {"deepfool": (1, 5, 10, 20), "carlini_wagner": (10, 20, 50)}
ATTACKS: dict[str, tuple[tuple[Point, ...], int]] = {
    "fgsm": (tuple(Point(radius, 1) for radius in RADII), 1),
    "pgd": (tuple(Point(radius, steps) for radius in RADII for steps in (3, 5, 10)), 5),
    "pgd_long": ((Point(2 / 255, 100),), 1),
    **{name: (tuple(Point(None, step) for step in steps), 1) for name, steps in FREE.items()},
    "local_search": (tuple(Point(16 / 255, steps) for steps in (50, 100, 150, 200)), 1),
    "transfer": ((Point(2 / 255, 1),), 1),
}
PROBES = ("activation_maps", "gallery")


def plan(variants: int, examples: int) -> StudyPlan:
    """The plan of such a study."""
    keys = [content_key("variant", number=number) for number in range(variants)]
    planned = tuple(
        PlannedVariant(
            name=f"network {number % 2}" if number < 2 else f"{('prune', 'inq', 'distill')[number % 3]}-{number}",
            key=key,
            seed=0,
            parent=None if number < 2 else keys[number % 2],
            baseline=keys[number % 2],
            family="train" if number < 2 else ("prune", "inq", "distill")[number % 3],
            architecture=("resnet20", "resnet56")[number % 2],
            settings={},
        )
        for number, key in enumerate(keys)
    )
    block = Block(name=block_name(0, np.arange(examples)), start=0, stop=examples)
    trials = [trial("clean", (Point(0.0, 0),), key, key, 0, block) for key in keys]
    for name, (points, seeds) in ATTACKS.items():
        for key in keys:
            sources = keys[:2] if name == "transfer" else [key]
            trials += [trial(name, points, key, source, seed, block) for source in sources for seed in range(seeds)]
    probes = tuple(
        PlannedProbe(key=content_key("probe", asks=kind, on=key), kind=kind, variant=key, spec={}, seed=0)
        for kind in PROBES
        for key in keys
    )
    return StudyPlan(
        name="large",
        classes=10,
        class_names=tuple(map(str, range(10))),
        dataset="made up",
        fingerprint="0" * 64,
        examples=examples,
        config={},
        variants=planned,
        trials=tuple(trials),
        probes=probes,
    )


def trial(name: str, points: tuple[Point, ...], judged: str, source: str, seed: int, block: Block) -> PlannedTrial:
    """One attack on one variant."""
    kind = {"pgd_long": "pgd", "transfer": "fgsm"}.get(name, name)
    return PlannedTrial(
        key=content_key("trial", attack=name, on=judged, by=source, seed=seed),
        attack=name,
        kind=kind,
        spec={"kind": kind, "norm": "l2" if name in FREE else "linf"},
        judged_on=judged,
        crafted_on=source,
        seed=seed,
        view="exact",
        runtime="reference",
        random=False,
        points=points,
        trace_every=5 if name in ("pgd", "pgd_long") else None,
        blocks=(block,),
    )


def fill(store: RunStore, study: StudyPlan) -> None:
    """Rows, traces, costs and pictures."""
    chance = np.random.default_rng(0)
    store.write_study("name: large\n", study, {})
    for place, variant in enumerate(study.variants):
        with store.new_variant(variant.key) as folder:
            size = 1_100_000 // (1 + place)
            operations = {"macs": size * 40, "ncc": size * 40}
            costs = {"encoded_bytes": size, "dense_bytes": 1_100_000, "parameters": 270_000, **operations}
            write_text(folder / "costs.json", json.dumps(costs))
    for each in study.trials:
        store.write_rows(each.key, each.blocks[0].name, rows(each, chance), {}, traces(each, chance))
    for probe in study.probes:
        store.write_probe(probe.key, *answer(probe.kind, chance))


def rows(each: PlannedTrial, chance: np.random.Generator) -> Any:
    """An example breaks beyond a radius of its own, or after steps of its own."""
    count = each.blocks[0].stop
    parts = []
    for epsilon, steps in each.points:
        strength = (steps / 20 if epsilon is None else epsilon * 255 / 4) * (each.kind != "clean")
        broken = (chance.exponential(size=count) < strength) | (chance.uniform(size=count) < 0.08)
        clean = chance.uniform(size=count) < 0.08
        parts.append((epsilon, steps, (clean | broken).astype(int), clean.astype(int), chance.exponential(size=count)))
    number = len(parts)
    epsilons = [epsilon for epsilon, *_ in parts for _ in range(count)]
    columns = {
        "example_id": np.tile(np.arange(count), number),
        "label": np.tile(np.arange(count) % 10, number),
        "epsilon": epsilons,
        "steps": np.repeat([steps for _, steps, *_ in parts], count),
        "rank": np.concatenate([rank for _, _, rank, _, _ in parts]),
        "clean_rank": np.concatenate([clean for *_, clean, _ in parts]),
        "l2": np.concatenate([distance for *_, distance in parts]),
        "linf": [epsilon or 0.0 for epsilon in epsilons],
        "status": ["attacked"] * (count * number),
    }
    zeros = np.zeros(count * number)
    held = {name: zeros for name, kind in ROW_SCHEMA.items() if not kind.endswith("?") and name not in columns}
    return frame_of_schema({**held, **columns}, ROW_SCHEMA)


def traces(each: PlannedTrial, chance: np.random.Generator) -> Any:
    """Accuracy falls and loss rises along the steps."""
    if each.trace_every is None:
        return None
    epsilons = sorted({point.epsilon for point in each.points if point.epsilon is not None})
    last = max(point.steps for point in each.points)
    count = each.blocks[0].stop
    found: dict[str, list[Any]] = {name: [] for name in TRACE_SCHEMA}
    for epsilon in epsilons:
        for step in range(0, last + 1, each.trace_every):
            correct = int(count * 0.92 * np.exp(-step * epsilon * 20 * chance.uniform(0.9, 1.1)))
            for name, value in zip(
                found, (0, step, epsilon, count, correct, count * (1 + step / 9), 0, 0), strict=True
            ):
                found[name].append(value)
    return frame_of_schema(found, TRACE_SCHEMA)


def answer(kind: str, chance: np.random.Generator) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Pictures of 32 x 32."""
    if kind == "gallery":
        clean = chance.uniform(size=(8, 32, 32, 3)).astype(np.float32)
        examples = [{"example_id": n, "label": 0, "clean_prediction": 0, "prediction": 1} for n in range(8)]
        record = {"attack": "pgd", "epsilon": 8 / 255, "steps": 10, "examples": examples}
        return record, {"clean": clean, "adversarial": np.clip(clean + 8 / 255, 0, 1)}
    image = chance.integers(0, 256, (32, 32, 3)).astype(np.uint8)
    steps = (0, 1, 5)
    readings = [{"steps": step, "prediction": 0, "third_quartile": 150.0} for step in steps]
    shown = {"example_id": 0, "label": 0}
    record = {"method": "cam", "layer": "conv", "attack": "deepfool", "shown": shown, "readings": readings}
    return record, {"image": image, **{f"map_{step}": image[:, :, 0] for step in steps}}


def measured(root: str) -> dict[str, float]:
    """The report, in a process of its own."""
    from brinell.reporting import write_with_problems

    started, busy = time.perf_counter(), time.process_time()
    drawn = write_with_problems(root)
    if drawn.problems:  # the time of a page that leaves things out would be flattering
        raise RuntimeError(drawn.problems[0])
    page = drawn.page
    return {
        "seconds": time.perf_counter() - started,
        "cpu_seconds": time.process_time() - busy,
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
        "page_mb": page.stat().st_size / 1e6,
    }


def opens(page: Path) -> dict[str, float]:
    """Seconds until the page has loaded, and until its last chart is drawn; nothing without a browser."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return {}
    if chromium is None:
        return {}
    with sync_playwright() as tools:
        browser = tools.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        tab = browser.new_page(viewport={"width": 1440, "height": 900})
        started = time.perf_counter()
        tab.goto(page.as_uri())
        loaded = time.perf_counter() - started
        tab.wait_for_selector("html[data-drawn]", state="attached", timeout=300_000)
        found = {"opens_s": loaded, "all_drawn_s": time.perf_counter() - started}
        browser.close()
        return found


def main() -> None:
    """Measure, print, and say what is over its limit."""
    asked = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    asked.add_argument("--variants", type=int, default=20)
    asked.add_argument("--examples", type=int, default=1000)
    options = asked.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = RunStore(Path(folder) / "large")
        fill(store, plan(options.variants, options.examples))
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            found = pool.apply(measured, (str(store.root),))
        found |= opens(store.report / "index.html")
    for name, value in found.items():
        limit = f"  (at most {WANTED[name]:g})" if name in WANTED else ""
        print(f"{name:12} {value:8.2f}{limit}")
    sys.exit(any(found.get(name, 0.0) > limit for name, limit in WANTED.items()))


if __name__ == "__main__":
    main()
