"""FAB: exact on flat boundaries, also beside the walls of the box; classes in turn and all at once; restarts."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from attacks.small import Small, reads_in_one_call_what_separate_calls_read, small
from brinell.attacks import FAB, run_trial
from brinell.attacks.components.hyperplane import way_to_plane
from brinell.core import Point
from brinell.nn import BallNorm, distance
from brinell.testing.linear_problems import LinearProblem, many_classes


def in_the_box(problem: LinearProblem, norm: BallNorm) -> np.ndarray:
    """The distance of the nearest of several flat boundaries, inside the box."""
    weight = problem.network.layer.weight.detach()
    with torch.no_grad():
        logits = problem.network(problem.images)
    found = []
    for step in range(1, 5):
        other = (problem.labels + step) % 5
        gap = (logits.gather(1, problem.labels[:, None]) - logits.gather(1, other[:, None]))[:, 0]
        normal = (weight[other] - weight[problem.labels]).view_as(problem.images)
        way = way_to_plane(problem.images, normal, gap, norm)
        reached = (way * normal).flatten(1).sum(1) >= gap - 1e-4
        found.append(torch.where(reached, distance(torch.zeros_like(way), way, norm), torch.inf))
    return torch.stack(found).amin(0).numpy()


def walled() -> LinearProblem:
    problem = many_classes()
    images = (problem.images + 0.45 * torch.where(torch.arange(4) % 2 == 0, 1.0, -1.0)).clamp(0, 1)
    with torch.no_grad():
        labels = problem.network(images).argmax(1)
    return LinearProblem(problem.network, images, labels, {})


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
@pytest.mark.parametrize("targets", ["all", None], ids=["in turn", "nearest"])
@pytest.mark.parametrize("problem", [many_classes(), walled()], ids=["inside", "at the walls"])
def test_finds_the_nearest_boundary(problem: LinearProblem, norm: BallNorm, targets: str | None) -> None:
    arguments = (problem.network, problem.network, problem.images, problem.labels, problem.ids)
    attack = FAB(steps=30, norm=norm, targets=targets)
    result = run_trial(*arguments, attack, keep_images=True)
    assert result.adversarials is not None
    assert (result.rows["rank"] > 0).all()
    found, least = distance(problem.images, result.adversarials[0], norm).numpy(), in_the_box(problem, norm)
    assert (found >= least * (1 - 1e-3)).all()
    assert np.median(found / least) < 1.06  # the overshoot, and what going back finds of it again


@pytest.fixture(scope="module")
def problem() -> Small:
    return small()


def test_passes_are_those_of_the_algorithm(problem: Small) -> None:
    in_turn = problem.rows(FAB(steps=7, targets=2, restarts=3))
    assert set(in_turn["forwards"].tolist()) == {1 + 2 * 3 * 7 * 2}
    assert set(in_turn["backwards"].tolist()) == {2 * 3 * 7}
    at_once = problem.rows(FAB(steps=7, targets=None))
    assert set(at_once["forwards"].tolist()) == {7 * 2}
    assert set(at_once["backwards"].tolist()) == {7 * 3}


def test_classes_and_restarts_only_help(problem: Small) -> None:
    one, two = (problem.rows(FAB(steps=15, targets=targets)) for targets in (1, "all"))
    again = problem.rows(FAB(steps=15, targets="all", restarts=4))
    assert (two["linf"] <= one["linf"] + 1e-7).all()
    assert (again["linf"] <= two["linf"] + 1e-7).all()
    assert (two["linf"] < one["linf"] - 1e-5).any()
    assert not FAB().random
    assert FAB(restarts=2).random


def test_reads_steps_in_one_call(problem: Small) -> None:
    reads_in_one_call_what_separate_calls_read(problem, FAB(targets=2), [Point(None, 3), Point(None, 9)])
