"""A search of 24 networks against a grid of 60 on digits: bytes of the smallest that keeps the conditions, and time.

python benchmarks/limits.py FOLDER

Both prune weights and quantise them by INQ, with the same training for each network, and judge by the same conditions.
Networks of the grid that are pruned alike have one parent. The grid runs no masking probe, which would take longer than
all else; the search probes what it confirms.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from brinell.analysis import load
from brinell.analysis.limit_results import judge, limit_results
from brinell.core.requirements import parse_requirement
from brinell.store import RunStore
from brinell.study import Study, run

KEEP = ("clean_accuracy >= -0.05", "worst_case within 4/255 >= -0.15")
TRAIN = {"epochs": 1, "batch_size": 64, "learning_rate": 0.02}
SPARSITIES, BITS = np.linspace(0.3, 0.85, 12), (3, 4, 5, 6, 7)


def chain(sparsity: Any, bits: Any) -> list[dict[str, Any]]:
    return [
        {"kind": "prune", "granularity": "weight", "budget": {"sparsity": sparsity}, "train": TRAIN},
        {"kind": "inq", "weight_bits": bits, "train": TRAIN},
    ]


def study(**more: Any) -> dict[str, Any]:
    return {
        "name": "limits",
        "data": {"kind": "digits", "train": {"holdout": 97}},
        "models": {"small": {"kind": "resnet8", "width": 4}},
        "variants": {"base": {"model": "small", "train": {"epochs": 10, "batch_size": 64, "learning_rate": 0.05}}},
        "attacks": {"fgsm": {"kind": "fgsm", "epsilon": "4/255"}},
        **more,
    }


def search(folder: Path, seed: int) -> float:
    limit = {
        "from": "base",
        "minimise": "bytes",
        "keep": list(KEEP),
        "families": {"both": chain({"search": [0.3, 0.85]}, {"search": [3, 7]})},
        "attacks": {"screen": {"kind": "fgsm", "epsilon": "4/255", "examples": 250}},
        "budget": {"variants": 24},
        "seed": seed,
    }
    run(Study.parse(study(limits={"smallest": limit})), out=folder, threads=1)
    found = limit_results(load(RunStore.open(folder)))
    return float(found.filter(found["smallest"])["cost"].min())


def grid(folder: Path) -> float:
    config = study(probes={"masking": False})
    for place, sparsity in enumerate(SPARSITIES):
        first, _ = chain(round(float(sparsity), 3), 3)
        config["variants"][f"pruned-{place}"] = {"from": "base", "compress": first}
        for bits in BITS:
            _, second = chain(0.5, bits)
            config["variants"][f"both-{place}-{bits}"] = {"from": f"pruned-{place}", "compress": second}
    run(Study.parse(config), out=folder, threads=1)
    evaluation = load(RunStore.open(folder))
    costs = dict(evaluation.variants.select("variant", "encoded_bytes").iter_rows())
    conditions = [parse_requirement(text) for text in KEEP]
    names = [name for name in costs if name.startswith("both")]
    return float(min(costs[name] for name in names if judge(evaluation, conditions, name)[0] == "met"))


def main() -> None:
    root = Path(sys.argv[1])
    for name, compute in (
        ("search, seed 0", lambda: search(root / "search-0", 0)),
        ("search, seed 1", lambda: search(root / "search-1", 1)),
        ("grid of 60", lambda: grid(root / "grid")),
    ):
        start, used = time.perf_counter(), time.process_time()
        size = compute()
        seconds, busy = time.perf_counter() - start, time.process_time() - used
        print(f"{name}: {size:,.0f} bytes, {seconds:.0f} s, {busy:.0f} s of the processor", flush=True)


if __name__ == "__main__":
    main()
