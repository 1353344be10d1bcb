"""How near a network's passes come to what a machine can do: operations over the peak of a plain convolution.

python benchmarks/floor.py --weights resnet20-12fca82f.th [--threads 2]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F

import brinell
from brinell.attacks.harness.oracle import Oracle, Precision

PRECISIONS: dict[Precision, torch.dtype] = {"float32": torch.float32, "bf16": torch.bfloat16}


def best_of(run: Callable[[], object], repeats: int = 20) -> float:
    """Seconds of the fastest of some runs, after one that warms up."""
    run()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def peak(dtype: torch.dtype) -> float:
    """Operations a second (a multiply-accumulate counts two) of a convolution of 256 x 256 channels, 3 x 3."""
    images = torch.randn(32, 256, 16, 16).to(dtype, memory_format=torch.channels_last)
    weight = torch.randn(256, 256, 3, 3).to(dtype, memory_format=torch.channels_last)
    with torch.inference_mode():
        seconds = best_of(lambda: F.conv2d(images, weight, padding=1))
    return 2 * 32 * 256 * 256 * 9 * 16 * 16 / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", required=True, help="checkpoint of a ResNet-20")
    parser.add_argument("--threads", type=int, default=None)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    network = brinell.models.build("resnet20", weights=options.weights)
    operations = 2 * brinell.costs.measure(network, input_shape=(3, 32, 32)).macs
    images, labels = torch.rand(128, 3, 32, 32), torch.randint(0, 10, (128,))
    for precision, dtype in PRECISIONS.items():
        oracle, fastest = Oracle(network, torch.device("cpu"), precision), peak(dtype)
        floor = operations / fastest * 1e3

        def gradient(oracle: Oracle = oracle) -> object:
            return oracle.gradient(images, lambda logits: F.cross_entropy(logits, labels, reduction="none"))

        forward = best_of(lambda oracle=oracle: oracle.logits(images)) / 128 * 1e3  # type: ignore[misc]
        step = best_of(gradient) / 128 * 1e3
        print(f"{precision:8s} peak of a plain convolution {fastest / 1e9:.0f} GFLOP/s; an image takes")
        print(f"  forward       {forward:.3f} ms, {forward / floor:.1f}x its floor of {floor:.3f}")
        print(f"  gradient step {step:.3f} ms, {step / floor / 2:.1f}x its floor of {2 * floor:.3f}")


if __name__ == "__main__":
    main()
