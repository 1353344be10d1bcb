"""What a forward pass of a binary network takes as an attack through scores asks it, beside layer after layer.

    python benchmarks/binary.py [--threads 2]

A ResNet-20 with random weights, 128 images; times are a processor's fastest of some runs, by turns in one process.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
from torch import nn

import brinell
from brinell.attacks.oracle import Oracle, Precision
from brinell.nn import fold_batch_norms, fuse_relu, set_layout
from brinell.variants.structure import ABCLayers, BinaryLayers, StructureChange

PRECISIONS: dict[Precision, torch.dtype] = {"float32": torch.float32, "bf16": torch.bfloat16}


def networks() -> dict[str, nn.Module]:
    """Deployed networks by name, every convolution but the first binary."""
    found: dict[str, nn.Module] = {}
    for name, bases in (("XNOR-Net", 0), ("ABC-Net 1 x 1", 1), ("ABC-Net 3 x 3", 3), ("ABC-Net 5 x 5", 5)):
        torch.manual_seed(0)
        network = brinell.models.build("resnet20")
        layers = tuple(part for part, _ in network.named_modules() if part.endswith(("conv1", "conv2")))[1:]
        change: StructureChange = BinaryLayers(layers=layers)
        if bases:
            change = ABCLayers(layers=layers, weight_bases=bases, activation_bases=bases, scales="filter")
        change.apply(network, latent=False)
        found[name] = network.eval().requires_grad_(False)
    return found


def best_of(runs: list[Callable[[], object]], repeats: int = 20) -> list[float]:
    """Seconds of the fastest run of each, by turns, after one that warms up."""
    times: list[list[float]] = [[] for _ in runs]
    for _ in range(repeats + 1):
        for run, taken in zip(runs, times, strict=True):
            start = time.perf_counter()
            run()
            taken.append(time.perf_counter() - start)
    return [min(taken[1:]) for taken in times]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=None)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    images = torch.rand(128, 3, 32, 32)
    for precision, dtype in PRECISIONS.items():
        for name, network in networks().items():
            by_threshold, by_layer = (Oracle(network, torch.device("cpu"), precision) for _ in range(2))
            by_layer.fused = fuse_relu(set_layout(fold_batch_norms(network), torch.channels_last), dtype)
            runs = [lambda oracle=oracle: oracle.logits(images) for oracle in (by_layer, by_threshold)]  # type: ignore[misc]
            before, after = (seconds / 128 * 1e3 for seconds in best_of(runs))
            print(
                f"{precision:8s} {name:14s} {before:.3f} ms an image, {after:.3f} by thresholds: {before / after:.2f}x"
            )


if __name__ == "__main__":
    main()
