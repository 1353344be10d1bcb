"""Attacks beside their peers: seconds from images to judged results, strength, passes, and ratios.

    python benchmarks/attacks.py --data FOLDER --weights resnet20-12fca82f.th [--images 256] [--only pgd deepfool]

Peers: foolbox and adversarial-robustness-toolbox (pip install 'brinell[bench]') and torchattacks (pip install --no-deps
torchattacks: its pins are old). All of them get the same frozen network, the same images and budgets, and are judged by
the same plain forward passes, whose time counts on every side. A ratio is against the fastest peer that is at least as
strong: robust accuracy and median distance within 1 % of ours, or better.

`pgd_robust` needs an adversarially trained network: `--robust FILE.safetensors`, which is trained on the training split
and written there where it does not exist yet (some minutes).
"""

from __future__ import annotations

import argparse
import copy
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import brinell
from brinell.attacks import FGSM, PGD, Attack, CarliniWagner, DeepFool, GenAttack, LocalSearch, run_trial
from brinell.core import Point
from brinell.training import Adversarial, Train, fit
from peers import Counting, Peer, art_peer, foolbox_peer, torchattacks_peer
from plain import local_search as plain_local_search

warnings.filterwarnings("ignore")
EPSILON = 2 / 255
QUICK = 4.0
EPSILONS = [0.5 / 255, 1 / 255, 2 / 255, 4 / 255, 6 / 255, 8 / 255, 12 / 255, 16 / 255]


@dataclass(frozen=True)
class Problem:
    network: nn.Module
    robust: nn.Module | None
    images: Tensor
    labels: Tensor
    targets: Tensor | None = None

    def first(self, count: int) -> Problem:
        return replace(self, images=self.images[:count], labels=self.labels[:count])


@dataclass(frozen=True)
class Score:
    library: str
    seconds: float
    robust: float
    distance: float
    forwards: float
    backwards: float


def judged(problem: Problem, results: list[Tensor], norm: str) -> tuple[float, float]:
    """The neutral evaluator: the share that stands, and the median distance of what fell, over all results.

    With targets, what is not classified as its target stands.
    """
    network, clean, labels = problem.network, problem.images, problem.labels
    robust, distances = [], []
    with torch.inference_mode():
        right = network(clean).argmax(1) == labels
        for images in results:
            found = network(images).argmax(1)
            still = found == labels if problem.targets is None else found != problem.targets
            robust.append(float(still.double().mean()))
            delta = (images - clean).flatten(1)
            far = delta.norm(dim=1) if norm == "l2" else delta.abs().amax(1)
            distances.append(far[right & ~still])
    broken = torch.cat(distances)
    return sum(robust) / len(robust), float(broken.median()) if len(broken) else float("nan")


def clock() -> float:
    """Seconds; with one thread the processor's, which other work on the machine changes least."""
    return time.process_time() if torch.get_num_threads() == 1 else time.perf_counter()


def settled(run: Callable[[], Score]) -> Score:
    """The median of three runs where one takes seconds: the first also pays for memory that is touched first."""
    first = run()
    if first.seconds > QUICK:
        return first
    return sorted((first, run(), run()), key=lambda score: score.seconds)[1]


def time_peer(name: str, peer: Peer, problem: Problem, norm: str) -> Score:
    counting = Counting(copy.deepcopy(problem.network))  # some peers leave it in training mode, statistics and all
    start = clock()
    results = peer(counting, problem.images, problem.labels)
    crafted = (counting.forwards, counting.backwards)
    robust, distance = judged(problem, results, norm)
    seconds = clock() - start
    count = len(problem.images)
    return Score(name, seconds, robust, distance, crafted[0] / count, crafted[1] / count)


def time_ours(problem: Problem, attack: Attack, norm: str, name: str = "", **options: Any) -> Score:
    ids = torch.arange(len(problem.labels))
    data = (problem.images, problem.labels, ids)
    start = clock()
    result = run_trial(
        problem.network,
        problem.network,
        *data,
        attack,
        targets=problem.targets,
        rounded=False,
        keep_images=True,
        seed=0,
        **options,
    )
    seconds = clock() - start
    adversarials = result.adversarials
    assert adversarials is not None
    robust, distance = judged(problem, list(adversarials), norm)
    rows = result.rows
    passes = float(rows["forwards"].mean()), float(rows["backwards"].mean())
    return Score(f"brinell{name}", seconds, robust, distance, *passes)


def ours(problem: Problem, attack: Attack, norm: str, name: str = "", **options: Any) -> Score:
    return settled(partial(time_ours, problem, attack, norm, name, **options))


def both_precisions(problem: Problem, attack: Attack, norm: str, name: str = "", **options: Any) -> Iterator[Score]:
    """In float32, and with passes in bfloat16 (confirmed and judged in float32)."""
    yield ours(problem, attack, norm, name, **options)
    coarse = attack.model_copy(update={"precision": "bf16"})
    yield ours(problem, coarse, norm, f"{name} bf16", **options)


def fgsm(problem: Problem) -> Iterator[Score]:
    points = [Point(epsilon, 1) for epsilon in EPSILONS]
    yield ours(problem, FGSM(epsilon=EPSILON), "linf", points=points)
    yield from peers(
        problem,
        "linf",
        foolbox=foolbox_peer(lambda library: library.LinfFastGradientAttack(), list(EPSILONS)),
        torchattacks=torchattacks_peer(lambda library, net: [library.FGSM(net, eps=epsilon) for epsilon in EPSILONS]),
        art=art_peer(lambda library, net: [library.FastGradientMethod(net, eps=e, batch_size=256) for e in EPSILONS]),
    )


def pgd(problem: Problem) -> Iterator[Score]:
    attack = PGD(epsilon=EPSILON, steps=100, step_size=EPSILON / 4)
    yield from both_precisions(problem, attack, "linf")
    yield from both_precisions(problem, attack, "linf", ", full trace", trace_every=1)
    size = attack.step_size
    yield from peers(
        problem,
        "linf",
        foolbox=foolbox_peer(
            lambda library: library.LinfProjectedGradientDescentAttack(steps=100, abs_stepsize=size), [EPSILON]
        ),
        torchattacks=torchattacks_peer(lambda library, net: [library.PGD(net, eps=EPSILON, alpha=size, steps=100)]),
        art=art_peer(
            lambda library, net: [
                library.ProjectedGradientDescentPyTorch(
                    net, eps=EPSILON, eps_step=size, max_iter=100, num_random_init=1, batch_size=256, verbose=False
                )
            ]
        ),
    )


def pgd_robust(problem: Problem) -> Iterator[Score]:
    if problem.robust is None:
        raise SystemExit("pgd_robust needs --robust FILE.safetensors")
    yield from pgd(replace(problem, network=problem.robust))


def deepfool(problem: Problem) -> Iterator[Score]:
    yield ours(problem, DeepFool(), "l2")
    yield from peers(
        problem,
        "l2",
        foolbox=foolbox_peer(lambda library: library.L2DeepFoolAttack(steps=50, candidates=10), [None]),
        torchattacks=torchattacks_peer(lambda library, net: [library.DeepFool(net, steps=50, overshoot=0.02)]),
        art=art_peer(
            lambda library, net: [library.DeepFool(net, max_iter=50, nb_grads=10, batch_size=256, verbose=False)]
        ),
    )


def carlini_wagner(problem: Problem) -> Iterator[Score]:
    yield ours(problem, CarliniWagner(binary_search_steps=9, steps=200), "l2")

    def build(library: Any) -> Any:
        return library.L2CarliniWagnerAttack(
            binary_search_steps=9, steps=200, stepsize=0.01, initial_const=1e-3, abort_early=False
        )

    yield from peers(problem, "l2", foolbox=foolbox_peer(build, [None]))


def carlini_wagner_one_search(problem: Problem) -> Iterator[Score]:
    yield ours(problem, CarliniWagner(binary_search_steps=1, initial_const=1.0, steps=50), "l2")

    def build(library: Any) -> Any:
        return library.L2CarliniWagnerAttack(
            binary_search_steps=1, steps=50, stepsize=0.01, initial_const=1.0, abort_early=False
        )

    yield from peers(
        problem,
        "l2",
        foolbox=foolbox_peer(build, [None]),
        torchattacks=torchattacks_peer(lambda library, net: [library.CW(net, c=1, steps=50, lr=0.01)]),
    )


def gen_attack(problem: Problem) -> Iterator[Score]:
    problem = problem.first(64)
    targets = (problem.labels + 1 + torch.arange(len(problem.labels)) % 9) % 10
    problem = replace(problem, targets=targets)
    attack = GenAttack(epsilon=8 / 255, steps=200, population=16, mutation_range=1)
    yield from both_precisions(problem, attack, "linf")

    def build(library: Any) -> Any:
        return library.GenAttack(steps=200, population=16, reduced_dims=None)

    yield from peers(problem, "linf", foolbox=foolbox_peer(build, [8 / 255], targets=targets))


def local_search(problem: Problem) -> Iterator[Score]:
    problem = problem.first(32)
    attack = LocalSearch(epsilon=16 / 255, steps=20)
    yield from both_precisions(problem, attack, "linf")
    yield from peers(problem, "linf", plain=lambda *asked: [plain_local_search(*asked, attack)])


def peers(problem: Problem, norm: str, **runs: Peer) -> Iterator[Score]:
    for name, run in runs.items():
        yield settled(partial(time_peer, name, run, problem, norm))


BENCHMARKS = {
    "fgsm": fgsm,
    "pgd": pgd,
    "pgd_robust": pgd_robust,
    "deepfool": deepfool,
    "carlini_wagner_one_search": carlini_wagner_one_search,
    "carlini_wagner": carlini_wagner,
    "gen_attack": gen_attack,
    "local_search": local_search,
}


def report(name: str, scores: list[Score]) -> None:
    for score in scores:
        print(
            f"{name:26s} {score.library:26s} {score.seconds:8.2f} s  stands {score.robust:6.2%}  "
            f"distance {score.distance:.4f}  forwards {score.forwards:8.1f}  backwards {score.backwards:8.1f}",
            flush=True,
        )
    others = [score for score in scores if not score.library.startswith("brinell")]
    for mine in (score for score in scores if score.library.startswith("brinell")):
        strong = [other for other in others if other.robust <= mine.robust + 0.01 and close(other, mine)]
        for label, field in (("at least as strong", strong), ("whatever its strength", others)):
            if field:
                best = min(field, key=lambda score: score.seconds)
                ratio = best.seconds / mine.seconds
                print(f"{name:26s} {mine.library}: {ratio:.2f}x the fastest peer {label} ({best.library})", flush=True)
        strongest = min(other.robust for other in others)
        if mine.robust > strongest + 1e-9:
            print(
                f"{name:26s} {mine.library}: leaves {mine.robust:.2%}, the strongest peer {strongest:.2%}", flush=True
            )


def close(other: Score, ours: Score) -> bool:
    """Whether a peer's median distance is ours, within 1 %, or less."""
    return not other.distance > ours.distance * 1.01


def robust_network(file: Path, weights: str, data: str, epochs: int) -> nn.Module:
    """The adversarially trained network in `file`, trained and written first where there is none."""
    if not file.exists():
        network = brinell.models.build("resnet20", weights=weights)
        images = brinell.data.build("cifar10", root=data, split="train", examples=20_000)
        adversarial = Adversarial(fraction=1, weight=1, epsilon=4 / 255, epsilon_rule="fixed", label="true", steps=2)
        train = Train(
            epochs=epochs,
            batch_size=128,
            learning_rate=0.02,
            schedule="one_cycle",
            augment="crop_flip",
            precision="bf16",
            adversarial=adversarial,
        )
        fit(network, images, train, seed=0)
        save_file(network.state_dict(), file)
    return brinell.models.build("resnet20", weights=str(file))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="CIFAR-10's folder")
    parser.add_argument("--weights", required=True, help="checkpoint of a ResNet-20")
    parser.add_argument("--robust", type=Path, help="file of an adversarially trained network, made where missing")
    parser.add_argument("--robust-epochs", type=int, default=2, help="of 20,000 images each, where it is made")
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--only", nargs="*", choices=list(BENCHMARKS), default=list(BENCHMARKS))
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    network = brinell.models.build("resnet20", weights=options.weights).requires_grad_(False)
    robust = None
    if options.robust:
        robust = robust_network(options.robust, options.weights, options.data, options.robust_epochs)
        robust.requires_grad_(False)
    test = brinell.data.build("cifar10", root=options.data, split="test", examples=options.images)
    problem = Problem(network, robust, *test.tensors())
    time_ours(problem.first(8), PGD(epsilon=EPSILON, steps=2), "linf")  # what only the first call pays for
    for name in options.only:
        report(name, list(BENCHMARKS[name](problem)))


if __name__ == "__main__":
    main()
