"""DeepFool: exact on linear networks, read at several numbers of steps, untargeted only."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import brinell.models
from attacks import contract
from brinell.attacks import DeepFool, run_trial
from brinell.core import Point
from brinell.testing.linear_problems import many_classes, two_classes


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_is_exact_on_a_linear_network(norm: str) -> None:
    contract.finds_the_nearest_boundary(DeepFool(norm=norm, overshoot=0.0), norm, 1e-3, beyond=1.01e-4)


@pytest.mark.parametrize("norm", ["l2", "linf"])
@pytest.mark.parametrize("scale", [1e-25, 1e-5, 1e5])
def test_the_scale_of_the_logits_does_not_matter(norm: str, scale: float) -> None:
    problem = many_classes()
    arguments = (problem.network, problem.network, problem.images, problem.labels, problem.ids)
    expected = run_trial(*arguments, DeepFool(norm=norm)).rows
    for part in problem.network.parameters():
        part.data.mul_(scale)
    found = run_trial(*arguments, DeepFool(norm=norm)).rows
    assert (found["rank"] > 0).all()
    np.testing.assert_allclose(found[norm], expected[norm], rtol=1e-3)


def test_goes_beyond_by_the_overshoot() -> None:
    problem = two_classes()
    attack = DeepFool(overshoot=0.5)
    rows = run_trial(problem.network, problem.network, problem.images, problem.labels, problem.ids, attack).rows
    np.testing.assert_allclose(rows["l2"], 1.5 * (problem.radius["l2"].numpy() + 1e-4), rtol=1e-3)
    assert set(rows["first_success_step"].tolist()) == {1}
    assert set(rows["forwards"].tolist()) == {3}  # a look, a gradient, a look that sees the flip
    assert set(rows["backwards"].tolist()) == {1}


def test_few_candidates_miss_the_nearest_class() -> None:
    problem = many_classes()
    arguments = (problem.network, problem.network, problem.images, problem.labels, problem.ids)
    few = run_trial(*arguments, DeepFool(candidates=2, overshoot=0.0)).rows
    assert (few["l2"] >= problem.radius["l2"].numpy() * 0.999).all()
    assert (few["l2"] > problem.radius["l2"].numpy() * 1.01).any()
    assert (few["backwards"] <= few["forwards"]).all()


def test_one_pass_reads_what_separate_runs_read() -> None:
    model = brinell.models.build("resnet8", in_channels=3, mean=(0.5,) * 3, std=(0.25,) * 3)
    images = torch.rand(20, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        labels = model(images).argmax(1)
    ids = torch.arange(20)
    points = [Point(None, steps) for steps in (1, 2, 5)]
    together = run_trial(model, model, images, labels, ids, DeepFool(), points=points).rows
    assert "epsilon" not in together
    for place, point in enumerate(points):
        alone = run_trial(model, model, images, labels, ids, DeepFool(steps=point.steps)).rows
        part = slice(20 * place, 20 * place + 20)
        for name in ("rank", "first_success_step", "forwards", "backwards"):
            assert together[name][part].tolist() == alone[name].tolist(), (point, name)
        np.testing.assert_allclose(together["l2"][part], alone["l2"], atol=1e-5)
