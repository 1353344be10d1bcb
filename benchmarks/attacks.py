"""Attacks beside their peers: seconds from images to judged results, strength, passes, and ratios.

    python benchmarks/attacks.py --data FOLDER --weights resnet20-12fca82f.th [--images 256] [--only pgd deepfool]

Peers: foolbox and adversarial-robustness-toolbox (pip install 'brinell[bench]') and torchattacks (pip install --no-deps
torchattacks: its pins are old). All of them get the same frozen network, the same images and budgets, and are judged by
the same plain forward passes, whose time counts on every side. A ratio is against the fastest peer that is at least as
strong: robust accuracy and median distance within 1 % of ours, or better.
"""

from __future__ import annotations

import argparse
import copy
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

import brinell
from brinell.attacks import FGSM, PGD, Attack, CarliniWagner, DeepFool, GenAttack, LocalSearch, run_trial
from brinell.core import Point

warnings.filterwarnings("ignore")
EPSILON = 2 / 255
EPSILONS = [0.5 / 255, 1 / 255, 2 / 255, 4 / 255, 6 / 255, 8 / 255, 12 / 255, 16 / 255]


@dataclass(frozen=True)
class Problem:
    network: nn.Module
    images: Tensor
    labels: Tensor

    def first(self, count: int) -> Problem:
        return Problem(self.network, self.images[:count], self.labels[:count])


@dataclass(frozen=True)
class Score:
    library: str
    seconds: float
    robust: float
    distance: float
    forwards: float
    backwards: float


class Counting(nn.Module):
    """Counts the images that pass forward and backward; what peers are given."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network, self.forwards, self.backwards = network, 0, 0

    def forward(self, images: Tensor) -> Tensor:
        self.forwards += len(images)
        logits = self.network(images)
        if logits.requires_grad:
            logits.register_hook(lambda gradient: self._count(len(gradient)))
        return logits

    def _count(self, images: int) -> None:
        self.backwards += images


Peer = Callable[[nn.Module, Tensor, Tensor], list[Tensor]]


def judged(network: nn.Module, clean: Tensor, labels: Tensor, results: list[Tensor], norm: str) -> tuple[float, float]:
    """The neutral evaluator: robust accuracy, and the median distance of what was broken, over all results."""
    robust, distances = [], []
    with torch.inference_mode():
        right = network(clean).argmax(1) == labels
        for images in results:
            still = network(images).argmax(1) == labels
            robust.append(float(still.double().mean()))
            delta = (images - clean).flatten(1)
            far = delta.norm(dim=1) if norm == "l2" else delta.abs().amax(1)
            distances.append(far[right & ~still])
    broken = torch.cat(distances)
    return sum(robust) / len(robust), float(broken.median()) if len(broken) else float("nan")


def time_peer(name: str, peer: Peer, problem: Problem, norm: str) -> Score:
    counting = Counting(copy.deepcopy(problem.network))  # some peers leave it in training mode, statistics and all
    start = time.perf_counter()
    results = peer(counting, problem.images, problem.labels)
    crafted = (counting.forwards, counting.backwards)
    robust, distance = judged(problem.network, problem.images, problem.labels, results, norm)
    seconds = time.perf_counter() - start
    count = len(problem.images)
    return Score(name, seconds, robust, distance, crafted[0] / count, crafted[1] / count)


def time_ours(problem: Problem, attack: Attack, norm: str, **options: Any) -> Score:
    ids = torch.arange(len(problem.labels))
    start = time.perf_counter()
    result = run_trial(
        problem.network,
        problem.network,
        problem.images,
        problem.labels,
        ids,
        attack,
        rounded=False,
        keep_images=True,
        **options,
    )
    seconds = time.perf_counter() - start
    adversarials = result.adversarials
    assert adversarials is not None
    robust, distance = judged(problem.network, problem.images, problem.labels, list(adversarials), norm)
    rows = result.rows
    return Score("brinell", seconds, robust, distance, float(rows["forwards"].mean()), float(rows["backwards"].mean()))


def foolbox_peer(build: Callable[[Any], Any], epsilons: list[float | None], *, targets: Tensor | None = None) -> Peer:
    def run(network: nn.Module, images: Tensor, labels: Tensor) -> list[Tensor]:
        import foolbox

        model = foolbox.PyTorchModel(network.eval(), bounds=(0, 1), device="cpu")
        criterion = labels if targets is None else foolbox.criteria.TargetedMisclassification(targets)
        clipped = build(foolbox.attacks)(model, images, criterion, epsilons=epsilons)[1]
        return list(clipped)

    return run


def torchattacks_peer(build: Callable[[Any, nn.Module], list[Any]]) -> Peer:
    def run(network: nn.Module, images: Tensor, labels: Tensor) -> list[Tensor]:
        import torchattacks

        return [attack(images, labels) for attack in build(torchattacks, network)]

    return run


def art_peer(build: Callable[[Any, Any], list[Any]]) -> Peer:
    def run(network: nn.Module, images: Tensor, labels: Tensor) -> list[Tensor]:
        import art.attacks.evasion as evasion
        from art.estimators.classification import PyTorchClassifier

        classifier = PyTorchClassifier(
            network, nn.CrossEntropyLoss(), tuple(images.shape[1:]), 10, clip_values=(0, 1), device_type="cpu"
        )
        arrays = [attack.generate(images.numpy(), labels.numpy()) for attack in build(evasion, classifier)]
        return [torch.from_numpy(array) for array in arrays]

    return run


def fgsm(problem: Problem) -> Iterator[Score]:
    points = [Point(epsilon, 1) for epsilon in EPSILONS]
    yield time_ours(problem, FGSM(epsilon=EPSILON), "linf", points=points)
    yield from peers(
        problem,
        "linf",
        foolbox=foolbox_peer(lambda library: library.LinfFastGradientAttack(), list(EPSILONS)),
        torchattacks=torchattacks_peer(lambda library, net: [library.FGSM(net, eps=epsilon) for epsilon in EPSILONS]),
        art=art_peer(lambda library, net: [library.FastGradientMethod(net, eps=e, batch_size=256) for e in EPSILONS]),
    )


def pgd(problem: Problem) -> Iterator[Score]:
    size = EPSILON / 4
    yield time_ours(problem, PGD(epsilon=EPSILON, steps=100, step_size=size), "linf")
    traced = time_ours(problem, PGD(epsilon=EPSILON, steps=100, step_size=size), "linf", trace_every=1)
    yield Score("brinell, full trace", *list(vars(traced).values())[1:])
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


def deepfool(problem: Problem) -> Iterator[Score]:
    yield time_ours(problem, DeepFool(), "l2")
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
    yield time_ours(problem, CarliniWagner(), "l2")

    def build(library: Any) -> Any:
        return library.L2CarliniWagnerAttack(
            binary_search_steps=9, steps=200, stepsize=0.01, initial_const=1e-3, abort_early=False
        )

    yield from peers(problem, "l2", foolbox=foolbox_peer(build, [None]))


def carlini_wagner_one_search(problem: Problem) -> Iterator[Score]:
    yield time_ours(problem, CarliniWagner(binary_search_steps=1, initial_const=1.0, steps=50), "l2")

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
    attack = GenAttack(epsilon=8 / 255, steps=200, adaptive=True, temperature=0.3)
    yield time_ours(problem, attack, "linf", targets=targets)

    def build(library: Any) -> Any:
        return library.GenAttack(steps=200, population=16, reduced_dims=None)

    yield from peers(problem, "linf", foolbox=foolbox_peer(build, [8 / 255], targets=targets))


def local_search(problem: Problem) -> Iterator[Score]:
    problem = problem.first(16)
    attack = LocalSearch(epsilon=16 / 255, steps=20)
    yield time_ours(problem, attack, "linf")
    yield from peers(problem, "linf", plain=lambda network, images, labels: [plain(network, images, labels, attack)])


def plain(network: nn.Module, images: Tensor, labels: Tensor, attack: LocalSearch) -> Tensor:
    """A straightforward version: one image at a time, one batch of candidates an image and round."""
    generator = torch.Generator().manual_seed(0)
    return torch.stack(
        [_plain_one(network, image, label, attack, generator) for image, label in zip(images, labels, strict=True)]
    )


def _plain_one(network: nn.Module, image: Tensor, label: Tensor, attack: LocalSearch, generator: Any) -> Tensor:
    height, width = image.shape[1:]
    current, rested = image.clone(), torch.full((height * width,), -(10**6))
    near = torch.zeros(height * width, dtype=torch.bool)
    for step in range(1, attack.steps + 1):
        with torch.inference_mode():
            if network(current[None]).argmax() != label:
                break
        noise = torch.rand(height * width, generator=generator)
        allowed = step - rested > attack.rest
        candidates = (near & allowed).nonzero()[:, 0]
        if not len(candidates):
            candidates = (allowed & (noise < attack.initial_share)).nonzero()[:, 0]
        candidates = candidates[noise[candidates].argsort()][: attack.max_candidates]
        tries = current.flatten(1).repeat(len(candidates), 1, 1)
        at = torch.arange(len(candidates))
        tries[at, :, candidates] = (tries[at, :, candidates] >= 0.5).float()
        with torch.inference_mode():
            chances = network(tries.view(-1, *image.shape)).log_softmax(1)[:, label]
        chosen = candidates[chances.argsort()[: attack.changes]]
        flat, clean = current.flatten(1), image.flatten(1)
        own = torch.where(clean[:, chosen] >= 0.5, attack.epsilon, -attack.epsilon)
        there = clean[:, chosen] + own
        other = (there < 0) | (there > 1) | ((flat[:, chosen] - clean[:, chosen]) * own > 0)
        flat[:, chosen] = torch.where(other, clean[:, chosen] - own, there).clamp(0, 1)
        rested[chosen] = step
        spots = torch.zeros(1, 1, height, width)
        spots.view(-1)[chosen] = 1
        square = torch.nn.functional.max_pool2d(spots, 2 * attack.distance + 1, 1, attack.distance)
        near = square.view(-1) > 0
    return current


def peers(problem: Problem, norm: str, **runs: Peer) -> Iterator[Score]:
    for name, run in runs.items():
        yield time_peer(name, run, problem, norm)


BENCHMARKS = {
    "fgsm": fgsm,
    "pgd": pgd,
    "deepfool": deepfool,
    "carlini_wagner_one_search": carlini_wagner_one_search,
    "carlini_wagner": carlini_wagner,
    "gen_attack": gen_attack,
    "local_search": local_search,
}


def report(name: str, scores: list[Score]) -> None:
    ours = scores[0]
    others = [score for score in scores if not score.library.startswith("brinell")]
    for score in scores:
        print(
            f"{name:26s} {score.library:20s} {score.seconds:8.2f} s  robust {score.robust:6.2%}  "
            f"distance {score.distance:.4f}  forwards {score.forwards:8.1f}  backwards {score.backwards:8.1f}",
            flush=True,
        )
    strong = [
        score for score in others if score.robust <= ours.robust + 0.01 and not score.distance > ours.distance * 1.01
    ]
    for mine in (score for score in scores if score.library.startswith("brinell")):
        for label, field in (("at least as strong", strong), ("whatever its strength", others)):
            if field:
                best = min(field, key=lambda score: score.seconds)
                ratio = best.seconds / mine.seconds
                print(f"{name:26s} {mine.library}: {ratio:.2f}x the fastest peer {label} ({best.library})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="CIFAR-10's folder")
    parser.add_argument("--weights", required=True, help="checkpoint of a ResNet-20")
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--only", nargs="*", choices=list(BENCHMARKS), default=list(BENCHMARKS))
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    network = brinell.models.build("resnet20", weights=options.weights).requires_grad_(False)
    test = brinell.data.build("cifar10", root=options.data, split="test", examples=options.images)
    problem = Problem(network, *test.tensors())
    time_ours(problem.first(8), PGD(epsilon=EPSILON, steps=2), "linf")  # what only the first call pays for
    for name in options.only:
        report(name, list(BENCHMARKS[name](problem)))


if __name__ == "__main__":
    main()
