"""What passes of binary networks take: forward, as attacks through scores ask for, for gradients, in training.

    python benchmarks/binary.py --threads 1 [--repeats 20]

Forward passes are compared with the network computed layer after layer; gradient and training passes with a float
network's, with the compiled activations (`pip install 'brinell[fast]'`) and without; training of a float network with
memory that is kept and without. A ResNet-20 with random weights, 128 images; the fastest of some runs, by turns in one
process. With one thread it is the processor's time, which other processes on the machine change least.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from unittest import mock

import torch
from torch import Tensor, nn

import brinell
from brinell.attacks.harness.oracle import Oracle, Precision
from brinell.core import keep_freed_memory
from brinell.nn import fold_batch_norms, fuse_relu, set_layout
from brinell.nn.binary_layers import binary_activation
from brinell.nn.fuse import can_fuse
from brinell.variants.structure import ABCLayers, BinaryLayers, StructureChange

PRECISIONS: dict[Precision, torch.dtype] = {"float32": torch.float32, "bf16": torch.bfloat16}
BASES = {"XNOR-Net": 0, "ABC-Net 1 x 1": 1, "ABC-Net 3 x 3": 3, "ABC-Net 5 x 5": 5}


def networks(*, latent: bool) -> dict[str, nn.Module]:
    """Networks by name, every convolution but the first binary, deployed or (`latent`) as they train."""
    found: dict[str, nn.Module] = {}
    for name, bases in BASES.items():
        network = float_network()
        layers = tuple(part for part, _ in network.named_modules() if part.endswith(("conv1", "conv2")))[1:]
        change: StructureChange = BinaryLayers(layers=layers)
        if bases:
            change = ABCLayers(layers=layers, weight_bases=bases, activation_bases=bases, scales="filter")
        change.apply(network, latent=latent)
        found[name] = network if latent else network.eval().requires_grad_(False)
    return found


def float_network() -> nn.Module:
    torch.manual_seed(0)
    return brinell.models.build("resnet20")


def best_of(runs: list[Callable[[], object]], repeats: int) -> list[float]:
    """Seconds of the fastest run of each, by turns, after one that warms up."""
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    times: list[list[float]] = [[] for _ in runs]
    for _ in range(repeats + 1):
        for run, taken in zip(runs, times, strict=True):
            start = clock()
            run()
            taken.append(clock() - start)
    return [min(taken[1:]) for taken in times]


def forward_passes(images: Tensor, repeats: int) -> None:
    for precision, dtype in PRECISIONS.items():
        if not can_fuse(dtype):
            continue
        for name, network in networks(latent=False).items():
            by_threshold, by_layer = (Oracle(network, torch.device("cpu"), precision) for _ in range(2))
            by_layer.fused = fuse_relu(set_layout(fold_batch_norms(network), torch.channels_last), dtype)
            runs = [lambda oracle=oracle: oracle.logits(images) for oracle in (by_layer, by_threshold)]  # type: ignore[misc]
            before, after = (seconds / len(images) * 1e3 for seconds in best_of(runs, repeats))
            print(
                f"forward  {precision:8s} {name:14s} {before:.3f} ms an image, {after:.3f} by thresholds: "
                f"{before / after:.2f}x"
            )


def gradient_passes(images: Tensor, repeats: int) -> None:
    """By the images, as an attack asks for them."""
    oracles = {name: Oracle(network, torch.device("cpu")) for name, network in networks(latent=False).items()}
    oracles["float"] = Oracle(float_network().eval().requires_grad_(False), torch.device("cpu"))
    compare("gradient", {name: partial(oracle.gradient, images, _first) for name, oracle in oracles.items()}, repeats)


def training_passes(images: Tensor, repeats: int) -> None:
    """Forward and backward, by the parameters."""
    latent = networks(latent=True) | {"float": float_network()}
    images = images.contiguous(memory_format=torch.channels_last)
    runs = {name: partial(_train, set_layout(network, torch.channels_last), images) for name, network in latent.items()}
    kept = compare("training", runs, repeats)
    (freed,) = best_of([runs["float"]], repeats)
    print(f"training float          {freed / kept:.2f}x without memory that is kept")


def compare(label: str, runs: dict[str, Callable[[], object]], repeats: int) -> float:
    """Print what each run takes, with the compiled activations and without; the seconds of the run `float`."""
    names = [name for name in runs if name != "float"]
    by_turns = [runs["float"], *(without_numba(runs[name]) for name in names), *(runs[name] for name in names)]
    with keep_freed_memory():
        reference, *times = best_of(by_turns, repeats)
    for name, plain, compiled in zip(names, times[: len(names)], times[len(names) :], strict=True):
        print(f"{label} {name:14s} {plain / reference:.2f}x a float network's, {compiled / reference:.2f}x compiled")
    return reference


def without_numba(run: Callable[[], object]) -> Callable[[], object]:
    """The run as it is where Numba is not installed."""

    def plain() -> None:
        with mock.patch.object(binary_activation, "has_numba", return_value=False):
            run()

    return plain


def _first(logits: Tensor) -> Tensor:
    return logits[:, 0]


def _train(network: nn.Module, images: Tensor) -> None:
    network.zero_grad(set_to_none=True)
    network(images).square().mean().backward()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--repeats", type=int, default=20)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    images = torch.rand(128, 3, 32, 32)
    forward_passes(images, options.repeats)
    gradient_passes(images, options.repeats)
    training_passes(images, options.repeats)


if __name__ == "__main__":
    main()
