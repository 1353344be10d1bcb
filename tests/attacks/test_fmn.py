"""FMN: near the nearest point of a flat boundary in all four norms, and what more steps are worth."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from attacks.small import Small, reads_in_one_call_what_separate_calls_read, small
from brinell.attacks import FMN, run_trial
from brinell.attacks.components.hyperplane import way_to_plane
from brinell.core import Point
from brinell.nn import DistanceNorm, distance
from brinell.testing.linear_problems import LinearProblem, many_classes, two_classes


def nearest(problem: LinearProblem, norm: DistanceNorm) -> np.ndarray:
    """The distance of two classes' boundary inside the box; in l0 the values count that move the most."""
    weight = problem.network.layer.weight.detach()
    with torch.no_grad():
        logits = problem.network(problem.images)
    own, other = problem.labels, 1 - problem.labels
    gap = (logits.gather(1, own[:, None]) - logits.gather(1, other[:, None]))[:, 0]
    normal = weight[other] - weight[own]
    if norm != "l0":
        way = way_to_plane(problem.images, normal.view_as(problem.images), gap, norm)
        return distance(torch.zeros_like(way), way, norm).numpy()
    flat = problem.images.flatten(1)
    gains = (normal.abs() * torch.where(normal > 0, 1 - flat, flat)).sort(dim=1, descending=True).values.cumsum(1)
    return ((gains < gap[:, None]).sum(1) + 1).numpy()


@pytest.mark.parametrize("norm", ["linf", "l2", "l1", "l0"])
def test_comes_near_the_nearest_point(norm: DistanceNorm) -> None:
    problem = two_classes(shape=(3, 6, 6))
    arguments = (problem.network, problem.network, problem.images, problem.labels, problem.ids)
    result = run_trial(*arguments, FMN(steps=300, norm=norm), keep_images=True)
    assert result.adversarials is not None
    found, least = distance(problem.images, result.adversarials[0], norm).numpy(), nearest(problem, norm)
    assert (result.rows["rank"] > 0).all()
    assert (found >= least * (1 - 1e-3)).all()
    if norm == "l0":
        assert (found <= least + 1).all()
    else:
        assert np.median(found / least) < 1.03


def test_reaches_targets() -> None:
    problem = many_classes()
    targets = (problem.labels + 1) % 5
    arguments = (problem.network, problem.network, problem.images, problem.labels, problem.ids)
    assert (run_trial(*arguments, FMN(steps=50), targets=targets).rows["target_rank"] == 0).all()


@pytest.fixture(scope="module")
def problem() -> Small:
    return small()


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_more_steps_come_nearer(problem: Small, norm: DistanceNorm) -> None:
    few, many = (problem.rows(FMN(steps=steps, norm=norm)) for steps in (8, 80))
    assert (many["rank"] > 0).all()
    assert np.median(many[norm]) < np.median(few[norm])
    assert set(many["forwards"].tolist()) == set(many["backwards"].tolist()) == {80}


def test_reads_steps_in_one_call(problem: Small) -> None:
    reads_in_one_call_what_separate_calls_read(problem, FMN(norm="linf"), [Point(None, 4), Point(None, 15)])
