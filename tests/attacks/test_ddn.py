"""DDN: near the closed form, its levels, zero gradients, and the radii of one image by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from attacks.small import Small, reads_in_one_call_what_separate_calls_read, small
from brinell.attacks import DDN, run_trial
from brinell.core import Point
from brinell.testing.linear_problems import many_classes, two_classes


def test_comes_near_the_closed_form() -> None:
    problem = two_classes()
    arguments = (problem.network, problem.network, problem.images, problem.labels, problem.ids)
    rows = run_trial(*arguments, DDN(steps=300, levels=0, initial_norm=0.1)).rows
    assert (rows["rank"] > 0).all()
    assert (rows["l2"] >= problem.radius["l2"].numpy() * (1 - 1e-4)).all()
    assert np.median(rows["l2"] / problem.radius["l2"].numpy()) < 1.03


def test_reaches_targets() -> None:
    problem = many_classes()
    targets = (problem.labels + 1) % 5
    arguments = (problem.network, problem.network, problem.images, problem.labels, problem.ids)
    rows = run_trial(*arguments, DDN(steps=100), targets=targets).rows
    assert (rows["target_rank"] == 0).all()


def test_iterates_lie_on_grey_levels() -> None:
    problem = two_classes()
    images = (problem.images * 255).round() / 255
    arguments = (problem.network, problem.network, images, problem.labels, problem.ids)
    result = run_trial(*arguments, DDN(steps=100), keep_images=True)
    assert result.adversarials is not None
    levels = result.adversarials[0].double() * 255
    assert (levels - levels.round()).abs().max() < 1e-3
    assert (result.rows["rank_rounded"] > 0).all()


class Sloped(nn.Module):
    """The label's margin is 0.5 less the mean of a single value: every step goes the same way."""

    def forward(self, images: Tensor) -> Tensor:
        beyond = images.flatten(1)[:, 0] - 0.5
        return torch.stack([-beyond, beyond], dim=1)


@pytest.mark.parametrize(("steps", "nearest"), [(2, np.inf), (3, 0.45), (10, 0.4085)])
def test_the_length_follows_from_success_and_failure(steps: int, nearest: float) -> None:
    """From 0.1 the boundary is 0.4 away: lengths are 0.42, 0.45 (wrong), and so on down, as the paper's rule has it."""
    lengths, length, wrong = [], 0.45 / 1.05**2, False
    for _ in range(steps - 1):
        length *= 0.95 if wrong else 1.05
        wrong = length > 0.4
        lengths.append(length if wrong else np.inf)
    expected = min(lengths)
    images, labels = torch.full((1, 1, 1, 1), 0.1), torch.tensor([0])
    attack = DDN(steps=steps, initial_norm=0.45 / 1.05**2, levels=0)
    rows = run_trial(Sloped(), Sloped(), images, labels, torch.arange(1), attack).rows
    assert rows["forwards"].tolist() == rows["backwards"].tolist() == [steps]
    assert (rows["rank"] > 0).all() == np.isfinite(expected)
    if np.isfinite(expected):
        assert rows["l2"][0] == pytest.approx(expected, rel=1e-4)


class Flat(nn.Module):
    """No gradient at the clean image, and the other class beyond a short way in any direction."""

    def forward(self, images: Tensor) -> Tensor:
        away = (images - 0.5).square().flatten(1).sum(1)
        beyond = (away - 0.01).clamp_min(-0.01 + 1e-4)
        return torch.stack([-beyond, beyond], dim=1)


def test_a_zero_gradient_gives_way_to_a_random_step() -> None:
    images, labels = torch.full((5, 1, 3, 3), 0.5), torch.zeros(5, dtype=torch.int64)
    rows = run_trial(Flat(), Flat(), images, labels, torch.arange(5), DDN(steps=60, levels=0)).rows
    assert (rows["zero_gradients"] > 0).all()
    assert (rows["rank"] > 0).all()
    np.testing.assert_allclose(rows["l2"], 0.1, rtol=0.06)


def test_reads_steps_in_one_call() -> None:
    problem: Small = small()
    reads_in_one_call_what_separate_calls_read(problem, DDN(), [Point(None, 4), Point(None, 15)])
