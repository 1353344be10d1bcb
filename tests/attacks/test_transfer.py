"""Transfer: what is crafted once is judged on every network as if it had been crafted for it alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import brinell
from attacks import contract
from brinell.attacks import ATTACKS, FGSM, Attack, clean_predictions, craft, judge_crafted, run_trial
from brinell.core import Point, UnsupportedError
from brinell.testing.linear_problems import LinearProblem, many_classes
from counting import Counted

each = pytest.mark.parametrize("kind", [ATTACKS[name] for name in ATTACKS], ids=list(ATTACKS))


def problems() -> tuple[LinearProblem, nn.Module]:
    """A source that gets five images wrong, and another network of the same task."""
    source = many_classes(24)
    source.labels[:5] = (source.labels[:5] + 1) % 5
    return source, many_classes(24, seed=1).network


def assert_same(found: dict, expected: dict) -> None:
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        if values.dtype.kind == "f":
            np.testing.assert_allclose(found[name], values, rtol=1e-5, atol=1e-5, err_msg=name)
        else:
            assert np.ma.filled(found[name], -9).tolist() == np.ma.filled(values, -9).tolist(), name


@each
def test_rows_are_those_of_a_trial_for_each_network(kind: type[Attack]) -> None:
    problem, other = problems()
    images = (problem.images, problem.labels, problem.ids)
    attack = contract.example(kind, 0.02)
    crafted = craft(problem.network, *images, attack, seed=3, batch_size=7)
    for network, white_box in ((other, False), (problem.network, True)):
        clean = clean_predictions(network, *images)
        found = judge_crafted(network, crafted, clean=clean, white_box=white_box, keep_images=True)
        alone = run_trial(
            network, problem.network, *images, attack, seed=3, white_box=white_box, keep_images=True, batch_size=7
        )
        assert_same(found.rows, alone.rows)
        assert torch.allclose(found.adversarials, alone.adversarials, atol=1e-6)


def test_several_points_are_judged_from_one_crafting() -> None:
    problem, other = problems()
    images = (problem.images, problem.labels, problem.ids)
    points = [Point(0.01, 1), Point(0.03, 1)]
    crafted = craft(problem.network, *images, FGSM(epsilon=0.01), points=points)
    rows = judge_crafted(other, crafted, clean=clean_predictions(other, *images)).rows
    assert_same(
        rows, run_trial(other, problem.network, *images, FGSM(epsilon=0.01), points=points, white_box=False).rows
    )


def test_the_source_is_asked_once_however_many_judges_there_are() -> None:
    problem, _ = problems()
    asked = {"forwards": 0, "backwards": 0}
    source = Counted(problem.network, asked)
    judges = {str(seed): many_classes(seed=seed).network for seed in range(1, 6)}
    outcomes = brinell.attacks.transfer(source, judges, problem.images, problem.labels, FGSM(epsilon=0.02))
    alone = {"forwards": 0, "backwards": 0}
    counted = Counted(problem.network, alone)
    brinell.attacks.transfer(counted, {"1": judges["1"]}, problem.images, problem.labels, FGSM(epsilon=0.02))
    assert asked == alone
    assert asked["backwards"] == 24 + 4  # the gradient is compared with the logits on four images first
    assert list(outcomes) == ["1", "2", "3", "4", "5"]
    for name, outcome in outcomes.items():
        with torch.inference_mode():
            logits = judges[name](outcome.adversarials)
        assert outcome.predictions.tolist() == logits.argmax(1).tolist()
        assert outcome.adversarials.equal(outcomes["1"].adversarials)
        assert outcome.forwards.tolist() == [1] * 24


def test_an_easy_case_by_hand() -> None:
    """Source and judge share a boundary; the judge's own sits a step nearer, so that a small push crosses only its."""

    class Step(nn.Module):
        def __init__(self, at: float) -> None:
            super().__init__()
            self.at = at

        def forward(self, images: Tensor) -> Tensor:
            value = images.flatten(1)[:, :1]
            return torch.cat([value - self.at, self.at - value], dim=1)

    images, labels = torch.full((1, 1, 1, 1), 0.6), torch.tensor([0])
    judges = {"near": Step(0.55), "far": Step(0.3)}
    outcomes = brinell.attacks.transfer(Step(0.5), judges, images, labels, FGSM(epsilon=0.08))
    assert {name: outcome.success.item() for name, outcome in outcomes.items()} == {"near": True, "far": False}
    assert outcomes["near"].margins.item() == pytest.approx(2 * (0.52 - 0.55), abs=1e-5)


def test_a_source_without_gradients_serves_searches_only() -> None:
    problem, other = problems()

    def remote(images: Tensor) -> Tensor:
        return problem.network(images).detach()

    with pytest.raises(UnsupportedError, match="fgsm needs gradients"):
        brinell.attacks.transfer(remote, {"other": other}, problem.images, problem.labels, FGSM(epsilon=0.1))
    search = contract.example(ATTACKS["gen_attack"], 0.05, steps=3)
    outcomes = brinell.attacks.transfer(remote, {"other": other}, problem.images, problem.labels, search)
    assert outcomes["other"].queries is not None
