"""Agreement with foolbox, an independent implementation, on success and distance (optional: `pip install
'brinell[peers]'`)."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import brinell
from brinell.attacks import BIM, FGSM, PGD, CarliniWagner, DeepFool, GenAttack
from brinell.training import Train, fit

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of its own imports
    foolbox = pytest.importorskip("foolbox", reason="foolbox is not installed (brinell[peers])")

EPSILON = 16 / 255


@pytest.fixture(scope="module")
def problem() -> tuple[nn.Module, Tensor, Tensor]:
    """A small network trained on digits, and 60 test images that it classifies correctly."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 12, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(12, 24, 3), nn.ReLU(), nn.Flatten()
    ).append(nn.Linear(24 * 4, 10))
    train = Train(epochs=8, batch_size=64, learning_rate=0.05, schedule="one_cycle")
    fit(network, brinell.data.build("digits", split="train"), train, seed=0)
    images, labels = brinell.data.build("digits", split="test", examples=80).tensors()
    with torch.no_grad():
        right = network(images).argmax(1) == labels
    return network.eval().requires_grad_(False), images[right][:60], labels[right][:60]


def theirs(attack: Any, problem: tuple[nn.Module, Tensor, Tensor], epsilon: float | None, criterion: Any = None) -> Any:
    """Their adversarial images and successes."""
    network, images, labels = problem
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = foolbox.PyTorchModel(network, bounds=(0, 1), device="cpu")
        _, clipped, success = attack(model, images, labels if criterion is None else criterion, epsilons=epsilon)
    return clipped, success


def far(images: Tensor, clean: Tensor) -> Tensor:
    return (images - clean).flatten(1).norm(dim=1)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_fgsm_makes_the_same_images(problem: Any, norm: str) -> None:
    network, images, labels = problem
    epsilon = EPSILON if norm == "linf" else 0.5
    library = {"linf": foolbox.attacks.LinfFastGradientAttack, "l2": foolbox.attacks.L2FastGradientAttack}[norm]
    expected, success = theirs(library(random_start=False), problem, epsilon)
    outcome = brinell.attack(network, images, labels, FGSM(epsilon=epsilon, norm=norm))
    if norm == "linf":
        torch.testing.assert_close(outcome.adversarials, expected, atol=1e-6, rtol=0)
    assert torch.equal(outcome.success, success)


def test_bim_makes_the_same_images(problem: Any) -> None:
    network, images, labels = problem
    attack = BIM(epsilon=EPSILON, steps=7, step_size=EPSILON / 4)
    library = foolbox.attacks.LinfBasicIterativeAttack(steps=7, abs_stepsize=EPSILON / 4, random_start=False)
    expected, success = theirs(library, problem, EPSILON)
    outcome = brinell.attack(network, images, labels, attack)
    assert torch.equal(outcome.success, success)
    # Ours keeps the first success, theirs the last iterate: they are one image where no step has succeeded.
    stands = ~success
    assert stands.any()
    torch.testing.assert_close(outcome.adversarials[stands], expected[stands], atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("norm", "library", "epsilon"),
    [
        ("linf", "LinfProjectedGradientDescentAttack", EPSILON),
        ("l2", "L2ProjectedGradientDescentAttack", 0.5),
    ],
    ids=["linf", "l2"],
)
def test_pgd_is_at_least_as_strong(problem: Any, norm: str, library: str, epsilon: float) -> None:
    network, images, labels = problem
    attack = PGD(epsilon=epsilon, steps=20, step_size=epsilon / 4, norm=norm)
    _, success = theirs(getattr(foolbox.attacks, library)(steps=20, abs_stepsize=epsilon / 4), problem, epsilon)
    outcome = brinell.attack(network, images, labels, attack)
    assert outcome.success.sum() >= success.sum()
    assert outcome.success.sum() - success.sum() <= 3  # and no wonder either


def test_deepfool_finds_the_same_distances(problem: Any) -> None:
    network, images, labels = problem
    library = foolbox.attacks.L2DeepFoolAttack(steps=50, candidates=10, overshoot=0.02)
    expected, success = theirs(library, problem, None)
    outcome = brinell.attack(network, images, labels, DeepFool(steps=50, candidates=10, overshoot=0.02))
    assert success.all()
    assert outcome.success.all()
    ours, other = outcome.distances["l2"].median(), far(expected, images).median()
    assert abs(ours / other - 1) < 0.02


def test_carlini_wagner_finds_the_same_distances_or_smaller_ones(problem: Any) -> None:
    network, images, labels = problem
    settings = {"binary_search_steps": 4, "steps": 100, "initial_const": 1.0}
    library = foolbox.attacks.L2CarliniWagnerAttack(**settings, stepsize=0.01, abort_early=False)
    expected, success = theirs(library, problem, None)
    # A black image is what foolbox returns where it has found nothing; some networks misclassify it.
    found = success & (expected.flatten(1).amax(1) > 0)
    outcome = brinell.attack(network, images, labels, CarliniWagner(**settings))
    assert torch.equal(outcome.success, found)
    assert found.sum() > 50
    ours, other = outcome.distances["l2"][found].median(), far(expected, images)[found].median()
    assert 0.95 < ours / other < 1.01


def test_gen_attack_reaches_as_many_targets(problem: Any) -> None:
    network, images, labels = (value if isinstance(value, nn.Module) else value[:24] for value in problem)
    targets = (labels + 1) % 10
    criterion = foolbox.criteria.TargetedMisclassification(targets)
    library = foolbox.attacks.GenAttack(steps=60, population=16)
    _, success = theirs(library, (network, images, labels), 40 / 255, criterion)
    attack = GenAttack(epsilon=40 / 255, steps=60, population=16, mutation_range=1)
    outcome = brinell.attack(network, images, labels, attack, targets=targets)
    assert outcome.success.sum() >= success.sum() - 2
