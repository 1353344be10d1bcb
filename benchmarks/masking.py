"""The masking probe on networks that its thresholds were not set on: detections, false alarms, and their intervals.

    python benchmarks/masking.py second --out second.jsonl [--seed 0] [--only "k-WTA, 10 %" ...]

Small networks on handwritten digits at 16/255, without a reference network, so that no transfer helps. A line is
written for each network when it is judged; those that the file has already are not judged again. `known` are the
networks that thresholds may be set on, `first` and `second` (`masking_networks.py`) are not.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch

import brinell
from brinell.analysis import wilson
from brinell.probes import masking
from masking_networks import SETS, Build
from masking_training import EPSILON


def judge(name: str, build: Build, seed: int, examples: int) -> dict[str, Any]:
    """The verdict on a network that is trained for it."""
    images, labels = brinell.data.build("digits", split="test", examples=examples).tensors()
    torch.manual_seed(seed)
    network, start = build(seed), time.process_time()
    verdict = masking.check_gradient_masking(network, images, labels, epsilon=EPSILON, seed=seed)
    return {
        "name": name,
        "seed": seed,
        "masked": verdict.masked,
        "clean": verdict.clean_accuracy,
        "reported": verdict.reported,
        "worst": verdict.robust_accuracy,
        "seconds": time.process_time() - start,
        "evidence": [item.record() for item in verdict.evidence],
    }


def line(wanted: str, row: dict[str, Any]) -> str:
    """What the probe says of a network and by which checks."""
    signs = [item["check"] for item in row["evidence"] if item["suspicious"]]
    return (
        f"{wanted}: {row['name']:38s} seed {row['seed']}  clean {row['clean']:.2f}  PGD {row['reported']:.2f}  "
        f"worst case {row['worst']:.2f}  {'MASKED' if row['masked'] else 'honest'}  {row['seconds']:5.1f} s  "
        f"{'; '.join(signs)}"
    )


def summary(wanted: str, rows: list[dict[str, Any]]) -> str:
    """How many are judged rightly, with a 95 % interval (Wilson)."""
    right = sum(row["masked"] == (wanted == "masked") for row in rows)
    low, high = wilson(right / len(rows), len(rows)) or (0.0, 1.0)
    wrong = [row["name"] for row in rows if row["masked"] != (wanted == "masked")]
    counts = f"{wanted}: {right} of {len(rows)} judged rightly ({low:.0%} to {high:.0%})"
    return f"{counts}; wrong: {', '.join(wrong) or 'none'}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set", choices=list(SETS))
    parser.add_argument("--out", type=Path, required=True, help="file of verdicts, a JSON object a line")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--examples", type=int, default=100)
    parser.add_argument("--only", nargs="*", help="names of networks")
    options = parser.parse_args()
    torch.set_num_threads(1)
    lines = options.out.read_text().splitlines() if options.out.exists() else []
    known = {(row["name"], row["seed"]): row for row in map(json.loads, lines)}
    for wanted, builds in (("masked", SETS[options.set].masked), ("honest", SETS[options.set].honest)):
        rows = []
        for name, build in builds.items():
            if options.only and name not in options.only:
                continue
            row = known.get((name, options.seed)) or judge(name, build, options.seed, options.examples)
            if (name, options.seed) not in known:
                with options.out.open("a") as file:
                    file.write(json.dumps(row) + "\n")
            print(line(wanted, row), flush=True)
            rows.append(row)
        if rows:
            print(summary(wanted, rows), flush=True)


if __name__ == "__main__":
    main()
