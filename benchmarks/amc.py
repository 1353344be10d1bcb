"""AMC's rates beside uniform ones, before any fine-tuning, on test images that no agent has seen.

    python benchmarks/amc.py --model resnet20.brinell --data FOLDER --out FOLDER [--granularity weight channel]

FOLDER is as `cifar10` reads it. Each search is on images held out of the training split (2,500 as the shipped CIFAR
studies do, of which the agent looks at `--examples`); both prunings are then judged on all test images. Searches that
are in `--out` already are not repeated.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import brinell
from brinell import costs
from brinell.compressors import Prune
from brinell.compressors.rates import AMC, Rates, Uniform
from brinell.data import Dataset, build
from brinell.training import Train, accuracy
from brinell.variants import Variant

STILL = Train(epochs=0, holdout=2500)


def main() -> None:
    options = arguments()
    data = {split: build("cifar10", split=split, root=options.data) for split in ("train", "test")}
    variant = brinell.load(options.model)
    print(f"unpruned: {accuracy(variant.deployed(), data['test']):.2%} of {len(data['test'])} test images")
    rule = AMC(episodes=options.episodes, examples=options.examples, precision=options.precision)
    for granularity in options.granularity:
        found = [measured(variant, data, granularity, rule, seed, options) for seed in options.seeds]
        uniform, chosen = found[0]["uniform"], [each["amc"] for each in found]
        macs = [found[0]["uniform_macs"], *(each["amc_macs"] for each in found)]
        minutes = sum(each["seconds"] for each in found) / len(found) / 60
        print(
            f"{granularity:8} uniform {uniform:.2%}   AMC {', '.join(f'{each:.2%}' for each in chosen)}   "
            f"MACs {', '.join(f'{each:.4f}' for each in macs)}   {minutes:.1f} minutes a search"
        )


def measured(
    variant: Variant, data: dict[str, Dataset], granularity: str, rule: AMC, seed: int, options: argparse.Namespace
) -> dict[str, Any]:
    """Test accuracies with both rules for one seed."""
    path = options.out / f"{granularity}-{seed}.json"
    if path.is_file():
        return dict(json.loads(path.read_text()))
    began = time.monotonic()
    chosen = pruned(variant, data, granularity, rule, seed, options.macs)
    seconds = time.monotonic() - began
    uniform = pruned(variant, data, granularity, Uniform(), seed, options.macs)
    whole = costs.measure(variant).macs
    record = {
        "seconds": seconds,
        "uniform": accuracy(uniform.deployed(), data["test"]),
        "uniform_macs": costs.measure(uniform, sparse=True).macs / whole,
        "amc": accuracy(chosen.deployed(), data["test"]),
        "amc_macs": costs.measure(chosen, sparse=True).macs / whole,
        "figures": chosen.lineage[-1].figures["amc"],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=1))
    return record


def pruned(
    variant: Variant, data: dict[str, Dataset], granularity: str, rates: Rates, seed: int, macs: float
) -> Variant:
    prune = Prune.parse({"granularity": granularity, "budget": {"macs": macs}, "rates": rates, "train": STILL})
    return brinell.compress(variant, prune, train_data=data["train"], seed=seed, progress=tell)


def tell(label: str, done: float, total: float) -> None:
    print(f"\r{label}: {done:.0f} of {total:.0f}", end="\n" if done == total else "", flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="a .brinell file")
    parser.add_argument("--data", type=Path, required=True, help="folder of CIFAR-10")
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--granularity", nargs="+", default=["weight", "kernel", "filter", "channel"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--episodes", type=int, default=300)
    parser.add_argument("--examples", type=int, default=1000)
    parser.add_argument("--precision", default="bf16", choices=["float32", "bf16"])
    parser.add_argument("--macs", type=float, default=0.5)
    return parser.parse_args()


if __name__ == "__main__":
    main()
