"""Gupta & Ajanthan's scale of logits: against the Hessian written out, and what it is for."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from brinell.attacks import BIM, PGD, run_trial
from brinell.attacks.components.hessian_norm_scale import hessian_norm_scale
from brinell.attacks.harness.oracle import Oracle
from brinell.core import Point
from brinell.testing.linear_problems import LinearProblem, many_classes, two_classes


class Scaled(nn.Module):
    """Logits times a factor."""

    def __init__(self, network: nn.Module, factor: float) -> None:
        super().__init__()
        self.network, self.factor = network, factor

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.network(images) * self.factor
        return logits


@pytest.fixture(scope="module")
def problem() -> LinearProblem:
    return many_classes()


def brute_force(network: nn.Module, image: Tensor, label: Tensor, classes: int) -> float:
    """The scale of a hundred whose Hessian, derived by autograd, has the largest norm."""
    network = network.double()
    with torch.no_grad():
        ordered = network(image[None].double())[0].sort(descending=True).values
    lead = float(ordered[0] - ordered[1])
    low, high = (-math.log(error / ((1 - error) * (classes - 1))) / lead for error in (1 - 1 / classes - 1e-2, 1e-72))
    scales = np.linspace(low, high, 100)

    def norm(scale: float) -> float:
        def loss(pixels: Tensor) -> Tensor:
            return F.cross_entropy(scale * network(pixels[None]), label[None])

        return float(torch.autograd.functional.hessian(loss, image.double()).norm())

    return float(scales[int(np.argmax([norm(scale) for scale in scales]))])


def test_the_scale_is_the_one_of_the_largest_hessian(problem: LinearProblem) -> None:
    classes = problem.network.layer.out_features
    assert classes <= 10, "otherwise the norm is over some of the classes"
    found, backwards = hessian_norm_scale(
        Oracle(problem.network, torch.device("cpu")), problem.images[:4], problem.labels[:4]
    )
    assert backwards == classes - 1
    network = nn.Sequential(problem.network)
    wanted = [brute_force(network, *pair, classes) for pair in zip(problem.images[:4], problem.labels[:4], strict=True)]
    problem.network.float()
    np.testing.assert_allclose(found, wanted, rtol=1e-4)


def test_misclassified_images_keep_their_logits(problem: LinearProblem) -> None:
    wrong = (problem.labels + 1) % problem.network.layer.out_features
    found, _ = hessian_norm_scale(Oracle(problem.network, torch.device("cpu")), problem.images, wrong)
    assert (found == 1).all()


@pytest.mark.parametrize("kind", [PGD, BIM])
def test_saturated_logits_are_attacked_as_ordinary_ones(kind) -> None:
    """Cross-entropy of logits times 1e5 has no gradient in float32; scaled image by image it has."""
    problem = two_classes()
    epsilon = 1.2 * float(problem.radius["linf"].median())
    network = Scaled(problem.network, 1e5)
    broken = []
    for scaling in ("none", "hessian"):
        attack = kind(epsilon=epsilon, steps=5, step_size=epsilon / 2, logit_scaling=scaling)
        rows = run_trial(network, network, problem.images, problem.labels, problem.ids, attack).rows
        broken.append((rows["rank"] > 0).mean())
    assert broken[0] < broken[1] / 2
    assert broken[1] == (problem.radius["linf"] < epsilon).double().mean()


def test_passes_are_counted_at_each_number_of_steps(problem: LinearProblem) -> None:
    classes = problem.network.layer.out_features
    attack = PGD(epsilon=1e-6, steps=4, logit_scaling="hessian")
    rows = run_trial(
        problem.network,
        problem.network,
        problem.images,
        problem.labels,
        problem.ids,
        attack,
        points=[Point(1e-6, 2), Point(1e-6, 4)],
    ).rows
    assert rows["backwards"].reshape(2, -1).tolist() == [[steps + classes - 1] * len(problem.ids) for steps in (2, 4)]


def test_the_key_without_scaling_is_what_it_was() -> None:
    assert "logit_scaling" not in PGD(epsilon=0.1).identity()
