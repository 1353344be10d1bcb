"""C&W: near the closed form on linear networks, per-example constants, fixed c, inputs at the walls of the box."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from attacks import contract
from brinell.attacks import CarliniWagner, run_trial
from brinell.core import Point
from brinell.testing.linear_problems import many_classes, two_classes


def test_comes_near_the_closed_form() -> None:
    contract.finds_the_nearest_boundary(CarliniWagner(steps=200, initial_const=1e-2), "l2", 0.07)


def test_reaches_targets() -> None:
    problem = many_classes()
    targets = (problem.labels + 1) % 5
    rows = run_trial(
        problem.network,
        problem.network,
        problem.images,
        problem.labels,
        problem.ids,
        CarliniWagner(steps=100, binary_search_steps=6, initial_const=0.1),
        targets=targets,
    ).rows
    assert (rows["target_rank"] == 0).all()
    weight = problem.network.layer.weight.detach()
    with torch.no_grad():
        logits = problem.network(problem.images)
    gap = logits.max(1).values - logits.gather(1, targets[:, None])[:, 0]
    lower = gap / (weight[problem.labels] - weight[targets]).norm(dim=1)
    assert (rows["l2"] >= lower.numpy() * 0.999).all()


def test_confidence_is_the_margin_that_is_reached() -> None:
    problem = two_classes()
    arguments = (problem.network, problem.network, problem.images, problem.labels, problem.ids)
    rows = run_trial(
        *arguments, CarliniWagner(steps=100, binary_search_steps=4, initial_const=1.0, confidence=2.0)
    ).rows
    assert (rows["margin"] <= -2.0).all()


def test_a_fixed_constant_reads_many_steps_in_one_pass() -> None:
    problem = many_classes()
    arguments = (problem.network, problem.network, problem.images, problem.labels, problem.ids)
    attack = CarliniWagner(binary_search_steps=1, initial_const=1.0, abort_early=False)
    points = [Point(None, steps) for steps in (1, 10, 50)]
    rows = run_trial(*arguments, attack, points=points).rows
    assert rows["forwards"].reshape(3, -1).max(1).tolist() == [1, 10, 50]
    broken = (rows["rank"] > 0).reshape(3, -1)
    assert not broken[0].any()  # the first iterate is the clean image
    assert (broken[2] >= broken[1]).all()
    alone = run_trial(*arguments, attack.at(points[1])).rows
    np.testing.assert_allclose(rows["l2"].reshape(3, -1)[1], alone["l2"], rtol=1e-5)


def test_aborting_early_saves_passes_and_no_distance() -> None:
    problem = many_classes()
    arguments = (problem.network, problem.network, problem.images, problem.labels, problem.ids)
    attack = CarliniWagner(steps=200, binary_search_steps=6, initial_const=0.1)
    early = run_trial(*arguments, attack).rows
    full = run_trial(*arguments, attack.model_copy(update={"abort_early": False})).rows
    assert early["forwards"].mean() < 0.6 * full["forwards"].mean()
    assert np.median(early["l2"]) <= np.median(full["l2"]) * 1.01


def test_a_failure_is_the_clean_image() -> None:
    problem = two_classes()
    arguments = (problem.network, problem.network, problem.images, problem.labels, problem.ids)
    attack = CarliniWagner(binary_search_steps=1, initial_const=1e-6, steps=10)
    result = run_trial(*arguments, attack, keep_images=True)
    standing = torch.from_numpy(result.rows["rank"] == 0)
    assert standing.any()
    assert torch.equal(result.adversarials[0][standing], problem.images[standing])


@pytest.mark.parametrize("wall", [0.0, 1.0])
def test_pixels_at_the_walls_are_not_stuck(wall: float) -> None:
    problem = two_classes()
    images = torch.full_like(problem.images, wall)
    with torch.no_grad():
        labels = problem.network(images).argmax(1)
    # At a wall only half of the directions lead anywhere; push the boundary so near that these are enough.
    with torch.no_grad():
        gap = problem.network(images)[0]
        problem.network.layer.bias[labels[0]] -= (gap[labels[0]] - gap[1 - labels[0]]) * 0.999
    attack = CarliniWagner(steps=1000, binary_search_steps=3, initial_const=100.0, learning_rate=0.1)
    rows = run_trial(problem.network, problem.network, images[:4], labels[:4], problem.ids[:4], attack).rows
    assert (rows["rank"] > 0).all()
    assert (rows["linf"] > 0).all()


class Plateau(nn.Module):
    """The margin is a sign, with a gradient that stands in for it: no loss falls before the boundary is crossed."""

    def forward(self, images: Tensor) -> Tensor:
        distance = (images.flatten(1).mean(1) - 0.6) * 4
        beyond = distance + (distance.sign() - distance).detach()
        return torch.stack([-beyond, beyond], dim=1)


@pytest.mark.parametrize("searches", [1, 4])
def test_no_example_is_aborted_before_it_has_succeeded_at_its_constant(searches: int) -> None:
    images, labels = torch.full((4, 1, 3, 3), 0.3), torch.zeros(4, dtype=torch.int64)
    attack = CarliniWagner(binary_search_steps=searches, initial_const=10.0, steps=60, learning_rate=0.02)
    arguments = (Plateau(), Plateau(), images, labels, torch.arange(4))
    early = run_trial(*arguments, attack).rows
    full = run_trial(*arguments, attack.model_copy(update={"abort_early": False})).rows
    assert (full["rank"] > 0).all()
    assert (early["rank"] > 0).all()
    np.testing.assert_allclose(early["l2"], full["l2"], rtol=1e-2)
    assert (early["forwards"] < full["forwards"]).all()


def test_a_success_at_the_first_iterate_stays_the_first() -> None:
    """What is misclassified already succeeds at iteration 0, in the first search and in all later ones."""
    problem = two_classes()
    labels = 1 - problem.labels
    attack = CarliniWagner(binary_search_steps=4, initial_const=1e-3, steps=10)
    arguments = (problem.network, problem.network, problem.images, labels, problem.ids)
    rows = run_trial(*arguments, attack, white_box=False).rows
    assert set(rows["first_success_step"].tolist()) == {0}


def test_the_first_success_is_counted_over_all_searches() -> None:
    problem = two_classes()
    attack = CarliniWagner(binary_search_steps=5, initial_const=1e-3, steps=40, abort_early=False)
    arguments = (problem.network, problem.network, problem.images, problem.labels, problem.ids)
    rows = run_trial(*arguments, attack).rows
    one_search = run_trial(*arguments, attack.model_copy(update={"binary_search_steps": 1})).rows
    later = (rows["rank"] > 0) & (one_search["rank"] == 0)
    assert later.sum() > 5
    assert (rows["first_success_step"][later] >= 40).all()
    assert (rows["first_success_step"][later] < 200).all()


def test_a_reading_aborts_as_it_would_alone() -> None:
    problem = many_classes()
    arguments = (problem.network, problem.network, problem.images, problem.labels, problem.ids)
    attack = CarliniWagner(binary_search_steps=1, initial_const=1.0)
    points = [Point(None, steps) for steps in (20, 70, 200)]
    together = run_trial(*arguments, attack, points=points).rows
    for place, point in enumerate(points):
        alone = run_trial(*arguments, attack.at(point)).rows
        part = slice(30 * place, 30 * place + 30)
        assert together["forwards"][part].tolist() == alone["forwards"].tolist()
        assert (alone["forwards"] < point.steps).any()
        np.testing.assert_allclose(together["l2"][part], alone["l2"], rtol=1e-5)
