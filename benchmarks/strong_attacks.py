"""AutoAttack, DDN, FMN, Square and DeepFool beside their authors' or others' code: strength, passes and time.

    python benchmarks/strong_attacks.py --models FOLDER --data FOLDER --weights resnet20-12fca82f.th --only square ddn

Peers: pyautoattack (the authors' AutoAttack and Square), adversarial-library (DDN, FMN) and foolbox (DeepFool); the
first two are installed by `pip install --no-deps pyautoattack adv-lib`, and adversarial-library imports torchvision and
visdom. The same frozen network, images, budgets and evaluator for everybody, one after the other in one process
(`benchmarks/attacks.py`). The folder of `--models` has `networks.py` with `resnet2b` and `resnet4b`, and their
`.safetensors`. The binary networks are made on handwritten digits.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn

import brinell
from attacks import PGD, Problem, Score, ours, peers, report, time_ours
from brinell.attacks import DDN, FMN, AutoAttack, DeepFool, Square
from brinell.compressors import ABCNet, XNORNet
from brinell.training import Train, fit
from peers import adv_lib_peer, auto_attack_peer, foolbox_peer, square_peer

Run = Callable[[Problem, float], Iterator[Score]]


def auto_attack(problem: Problem, epsilon: float) -> Iterator[Score]:
    yield ours(problem, AutoAttack(epsilon=epsilon), "linf")
    yield from peers(problem, "linf", pyautoattack=auto_attack_peer(epsilon))


def square(problem: Problem, epsilon: float, queries: int = 1000) -> Iterator[Score]:
    yield ours(problem, Square(epsilon=epsilon, steps=queries, schedule=10_000), "linf")
    yield from peers(problem, "linf", pyautoattack=square_peer(epsilon, queries))


def ddn(problem: Problem, epsilon: float) -> Iterator[Score]:
    yield ours(problem, DDN(steps=100, levels=0), "l2")
    yield from peers(problem, "l2", adv_lib=adv_lib_peer("ddn", steps=100, levels=None))


def fmn_linf(problem: Problem, epsilon: float) -> Iterator[Score]:
    yield ours(problem, FMN(steps=100, norm="linf"), "linf")
    yield from peers(problem, "linf", adv_lib=adv_lib_peer("fmn", steps=100, norm=float("inf")))


def fmn_l2(problem: Problem, epsilon: float) -> Iterator[Score]:
    yield ours(problem, FMN(steps=100, norm="l2"), "l2")
    yield from peers(problem, "l2", adv_lib=adv_lib_peer("fmn", steps=100, norm=2))


def deepfool(problem: Problem, epsilon: float) -> Iterator[Score]:
    yield ours(problem, DeepFool(), "l2")
    yield from peers(
        problem, "l2", foolbox=foolbox_peer(lambda library: library.L2DeepFoolAttack(steps=50, candidates=10), [None])
    )


BENCHMARKS: dict[str, Run] = {
    "square": square,
    "ddn": ddn,
    "fmn_linf": fmn_linf,
    "fmn_l2": fmn_l2,
    "deepfool": deepfool,
    "auto_attack": auto_attack,
}


def networks(options: argparse.Namespace) -> dict[str, Callable[[], tuple[Problem, float]]]:
    """A problem and a radius for each network's name."""

    def cifar10(network: nn.Module) -> Problem:
        test = brinell.data.build("cifar10", root=options.data, split="test", examples=options.images)
        return Problem(network.eval().requires_grad_(False), None, *test.tensors())

    def robust(name: str) -> nn.Module:
        sys.path.insert(0, str(options.models))
        import networks as given  # type: ignore[import-not-found]

        network: nn.Module = getattr(given, name)()
        network.load_state_dict(load_file(options.models / f"{name}.safetensors"))
        return network

    def binary(compressor: Any) -> Problem:
        network = brinell.compress(
            parent(), compressor, train_data=brinell.data.build("digits", split="train")
        ).deployed()
        test = brinell.data.build("digits", split="test", examples=options.images)
        return Problem(network.requires_grad_(False), None, *test.tensors())

    recipe = Train(epochs=4, batch_size=64, learning_rate=2e-3, optimizer="adamw", weight_decay=0)
    return {
        "resnet2b": lambda: (cifar10(robust("resnet2b")), 8 / 255),
        "resnet4b": lambda: (cifar10(robust("resnet4b")), 8 / 255),
        "resnet20": lambda: (cifar10(brinell.models.build("resnet20", weights=options.weights)), 2 / 255),
        "xnor": lambda: (binary(XNORNet(train=recipe)), 16 / 255),
        "abc": lambda: (binary(ABCNet(weight_bases=3, activation_bases=3, train=recipe)), 20 / 255),
    }


@cache
def parent() -> nn.Module:
    """A ResNet-8 for handwritten digits."""
    model = brinell.models.build("resnet8")
    train = Train(epochs=4, batch_size=64, learning_rate=0.1)
    fit(model, brinell.data.build("digits", split="train"), train, seed=0)
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, required=True, help="folder of networks.py and its weights")
    parser.add_argument("--data", required=True, help="CIFAR-10's folder")
    parser.add_argument("--weights", required=True, help="checkpoint of a ResNet-20")
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--networks", nargs="*", default=["resnet2b", "resnet4b", "resnet20", "xnor", "abc"])
    parser.add_argument("--only", nargs="*", choices=list(BENCHMARKS), default=list(BENCHMARKS))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    built = networks(options)
    for network in options.networks:
        problem, epsilon = built[network]()
        time_ours(problem.first(8), PGD(epsilon=epsilon, steps=2), "linf")  # what only the first call pays for
        for name in options.only:
            report(f"{network} {name}", list(BENCHMARKS[name](problem, epsilon)))


if __name__ == "__main__":
    main()
