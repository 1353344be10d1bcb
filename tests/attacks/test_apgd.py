"""APGD against a loop written plainly, the exact optimum in l1, and what targets and restarts add."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from attacks.small import Small, reads_in_one_call_what_separate_calls_read, small
from brinell.attacks import APGD, PGD
from brinell.attacks.components.hyperplane import way_to_plane
from brinell.core import Point
from brinell.nn import distance, gaussian, project, steepest, uniform
from brinell.testing.linear_problems import two_classes


@pytest.fixture(scope="module")
def problem() -> Small:
    return small()


def plain(problem: Small, at: int, epsilon: float, steps: int, norm: str) -> tuple[Tensor, float]:
    """Algorithm 1 of Croce & Hein 2020 for one image: the iterate of the highest loss, and that loss."""
    clean, label = problem.images[at : at + 1], problem.labels[at : at + 1]
    radius = torch.tensor([epsilon])

    def loss(image: Tensor) -> tuple[float, Tensor]:
        image = image.clone().requires_grad_()
        value = F.cross_entropy(problem.network(image), label)
        return value.item(), torch.autograd.grad(value, image)[0]

    def inside(image: Tensor) -> Tensor:
        return project(image, clean, radius, norm)

    shape, ids = tuple(clean.shape[1:]), problem.ids[at : at + 1]
    noise = (
        uniform(0, "apgd start", ids, shape, 0) * 2 - 1 if norm == "linf" else gaussian(0, "apgd start", ids, shape, 0)
    )
    size = noise.abs().max() if norm == "linf" else noise.norm()
    current = (clean + epsilon * noise / size).clamp(0, 1)
    before, step = current, 2 * epsilon
    value, gradient = loss(current)
    best = (value, current, gradient)
    checks, shares = [0], [0.0, 0.22]
    while math.ceil(round(shares[-1] * steps, 9)) <= steps:
        checks.append(int(round(shares[-1] * steps, 9)))
        shares.append(shares[-1] + max(shares[-1] - shares[-2] - 0.03, 0.06))
    rises, reduced, best_before, last_check = 0, True, value, 0
    for k in range(1, steps + 1):
        moved = inside(current + step * steepest(gradient, norm))
        if k > 1:
            moved = inside(current + 0.75 * (moved - current) + 0.25 * (current - before))
        before, current, old = current, moved, value
        value, gradient = loss(current)
        rises += value > old
        if value > best[0]:
            best = (value, current, gradient)
        if k in checks:
            stalled = not reduced and best_before >= best[0]
            reduced = rises <= 0.75 * (k - last_check) or stalled
            if reduced:
                step, current, gradient = step / 2, best[1], best[2]
            best_before, rises, last_check = best[0], 0, k
    return best[1], best[0]


@pytest.mark.parametrize(("norm", "epsilon"), [("linf", 0.004), ("l2", 0.03)])
def test_is_the_plain_loop_where_nothing_breaks(problem: Small, norm: str, epsilon: float) -> None:
    """100 steps, so that the checkpoints of the authors' code (22, 41, 57, 70, ...) are those of the paper."""
    result = problem.attacked(APGD(epsilon=epsilon, norm=norm), keep_images=True)
    standing = np.flatnonzero(result.rows["rank"] == 0)[:3]
    assert len(standing) == 3
    for at in standing:
        image, highest = plain(problem, int(at), epsilon, 100, norm)
        found = result.adversarials[0][at : at + 1]
        with torch.no_grad():
            loss = F.cross_entropy(problem.network(found), problem.labels[at : at + 1]).item()
        assert loss == pytest.approx(highest, rel=2e-3)
        # Where a gradient is nearly zero, rounding decides which way its value goes.
        assert ((found - image).abs() < 0.2 * epsilon).double().mean() > 0.9


def test_l1_breaks_what_lies_within_its_radius_and_the_box() -> None:
    """The nearest point of two classes' boundary inside the box is known exactly; some values begin at the walls."""
    problem = two_classes(60)
    images = (problem.images + 0.45 * torch.where(torch.arange(4) % 2 == 0, 1.0, -1.0)).clamp(0, 1)
    with torch.no_grad():
        logits = problem.network(images)
        labels = logits.argmax(1)
    weight = problem.network.layer.weight.detach()
    normal = (weight[1 - labels] - weight[labels]).view_as(images)
    gap = logits.gather(1, labels[:, None])[:, 0] - logits.gather(1, 1 - labels[:, None])[:, 0]
    nearest = distance(torch.zeros_like(images), way_to_plane(images, normal, gap, "l1"), "l1").detach().numpy()
    epsilon = float(np.median(nearest))
    found = Small(problem.network, images, labels, problem.ids).rows(APGD(epsilon=epsilon, norm="l1"))
    clear = np.abs(nearest / epsilon - 1) > 0.02
    assert clear.sum() > 40
    assert (found["rank"] > 0)[clear].tolist() == (nearest < epsilon)[clear].tolist()
    assert (found["l1"] <= epsilon * (1 + 1e-5)).all()


def test_targets_and_restarts_only_help(problem: Small) -> None:
    one = problem.rows(APGD(epsilon=0.04, steps=1, loss="dlr"))
    more = problem.rows(APGD(epsilon=0.04, steps=1, loss="dlr", restarts=5))
    assert ((more["rank"] > 0) >= (one["rank"] > 0)).all()
    assert (more["restart"] > 0).any()
    towards = problem.rows(APGD(epsilon=0.03, steps=6, loss="dlr", targets="all"))
    assert (towards["rank"] > 0).sum() > (one["rank"] > 0).sum()
    standing = towards["rank"] == 0
    # A clean pass to order the classes, and three runs of seven passes.
    assert set(towards["forwards"][standing].tolist()) <= {1 + 3 * 7}


def test_is_at_least_as_strong_as_pgd(problem: Small) -> None:
    for epsilon in (0.006, 0.012, 0.02):
        ours = problem.rows(APGD(epsilon=epsilon, steps=20))["margin"].mean()
        plain_steps = problem.rows(PGD(epsilon=epsilon, steps=20))["margin"]
        assert ours <= plain_steps.mean() + 0.02 * np.abs(plain_steps).mean()


def test_reads_radii_and_steps_in_one_call(problem: Small) -> None:
    points = [Point(epsilon, steps) for epsilon in (0.006, 0.02) for steps in (3, 12)]
    reads_in_one_call_what_separate_calls_read(problem, APGD(epsilon=0.006, targets=2, loss="margin"), points)


def test_without_a_success_the_highest_loss_is_kept(problem: Small) -> None:
    few, many = (problem.attacked(APGD(epsilon=0.003, steps=steps), keep_images=True) for steps in (1, 30))
    standing = torch.from_numpy(many.rows["rank"] == 0)
    losses = []
    for result in (few, many):
        with torch.no_grad():
            logits = problem.network(result.adversarials[0][standing])
        losses.append(F.cross_entropy(logits, problem.labels[standing], reduction="none"))
    assert standing.sum() > 10
    assert (losses[1] >= losses[0] - 1e-4).all()
