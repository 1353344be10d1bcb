"""Time, disk and memory that a folder of photographs takes: decoding once, opening again, one epoch of batches.

    python benchmarks/images.py --images 2000 --size 224

Photographs of 500 x 375 pixels are made at random, each in a process of its own for each step, so that its peak of
memory is that step's.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image


def photographs(folder: Path, count: int) -> None:
    """Smooth random pictures, which compress about as photographs do."""
    random = np.random.default_rng(0)
    for index in range(count):
        small = Image.fromarray(random.integers(0, 256, (48, 64, 3), dtype=np.uint8))
        path = folder / "train" / str(index % 10) / f"{index}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        small.resize((500, 375), Image.Resampling.BICUBIC).save(path, quality=90)


def memory() -> dict[str, float]:
    """Megabytes of this process: the most ever resident, and what is resident now."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {name: int(lines[name].split()[0]) / 1024 for name in ("VmHWM", "VmRSS")}


def step(name: str, folder: Path, size: int) -> None:
    """Do one step and print what it took."""
    from brinell.data import build
    from brinell.training import Train
    from brinell.training.batches import Batches

    before = memory()["VmRSS"]
    start = time.perf_counter()
    data = build("images", "train", root=folder, size=size, resize=size * 8 // 7)
    if name == "epoch":
        kept, _ = data.holdout(len(data) // 10)
        for batch in Batches(kept, Train(batch_size=128), seed=0).epoch(0):
            assert batch.images.shape[1:] == (3, size, size)
    seconds = time.perf_counter() - start
    peak = memory()["VmHWM"]
    print(json.dumps({"step": name, "seconds": seconds, "peak_mb": peak, "before_mb": before}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--step", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.step is not None:
        step(asked.step, asked.folder, asked.size)
        return
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "photographs"
        photographs(folder, asked.images)
        environment = {**os.environ, "BRINELL_CACHE": str(Path(place) / "cache")}
        for name in ("decode", "open", "epoch"):
            command = [sys.executable, __file__, "--step", name, "--folder", str(folder), "--size", str(asked.size)]
            print(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout, end="")  # noqa: S603
        cache = sum(path.stat().st_size for path in (Path(place) / "cache").rglob("*") if path.is_file())
        print(json.dumps({"images": asked.images, "cache_mb": cache / 1e6}))


if __name__ == "__main__":
    main()
