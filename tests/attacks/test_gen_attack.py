"""GenAttack: brute force on four pixels, queries, drawn targets, and its strength on a published network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

import brinell
from brinell.attacks import GenAttack, run_trial
from brinell.attacks.gen_attack import _Population
from brinell.core import ModelError, Point
from brinell.testing.linear_problems import LinearNetwork, many_classes, two_classes


def test_four_pixels_by_brute_force() -> None:
    """On two linear classes the best point of the ball is a corner: who falls there must nearly always be found."""
    generator = torch.Generator().manual_seed(0)
    network = LinearNetwork(torch.randn(2, 4, generator=generator), torch.zeros(2))
    images = 0.3 + 0.4 * torch.rand(60, 1, 2, 2, generator=generator)
    with torch.no_grad():
        labels = network(images).argmax(1)
    targets = 1 - labels
    corners = torch.cartesian_prod(*[torch.tensor([-0.2, 0.2])] * 4)
    with torch.no_grad():
        logits = network((images.flatten(1)[:, None] + corners).flatten(0, 1)).unflatten(0, (60, 16))
    reachable = (logits.argmax(2) == targets[:, None]).any(1).numpy()
    attack = GenAttack(epsilon=0.2, steps=60, mutation_rate=0.5, mutation_range=1.0)
    rows = run_trial(network, network, images, labels, torch.arange(60), attack, targets=targets).rows
    hit = rows["target_rank"] == 0
    assert set(np.flatnonzero(hit)) <= set(np.flatnonzero(reachable))
    assert hit.sum() >= 0.9 * reachable.sum() > 10


def test_queries_are_counted_and_limited() -> None:
    problem = many_classes()
    calls = []

    def network(images: Tensor) -> Tensor:
        calls.append(len(images))
        return problem.network(images)

    attack = GenAttack(epsilon=1e-4, steps=4, population=5)
    arguments = (network, network, problem.images, problem.labels, problem.ids)
    rows = run_trial(*arguments, attack, rounded=False).rows
    assert set(rows["queries"].tolist()) == {5 + 4 * 4}
    # Besides: the looks at the network before and after, at four images five times and at two alone, clean predictions
    # and the final verdict.
    assert rows["queries"].sum() == sum(calls) - (5 * 4 + 2) - 30 - 30
    capped = run_trial(*arguments, attack.model_copy(update={"max_queries": 14})).rows
    assert set(capped["queries"].tolist()) == {5 + 4 * 2}
    with pytest.raises(ValidationError, match="max_queries must pay for one population"):
        GenAttack(epsilon=0.1, max_queries=4, population=5)
    with pytest.raises(ValidationError, match="greater than or equal to 1"):
        GenAttack(epsilon=0.1, max_queries=0)


def test_targets_are_drawn_by_example_and_are_never_the_label() -> None:
    problem = many_classes()
    attack = GenAttack(epsilon=0.01, steps=1)
    arguments = (problem.network, problem.network)
    rows = run_trial(*arguments, problem.images, problem.labels, problem.ids, attack, seed=4).rows
    half = run_trial(
        *arguments, problem.images[15:], problem.labels[15:], problem.ids[15:], GenAttack(epsilon=0.02, steps=2), seed=4
    ).rows
    assert rows["target"][15:].tolist() == half["target"].tolist()
    assert (rows["target"] != rows["label"]).all()
    assert set(rows["target"].tolist()) == set(range(5))
    other = run_trial(*arguments, problem.images, problem.labels, problem.ids, attack, seed=5).rows
    assert rows["target"].tolist() != other["target"].tolist()


def test_a_single_class_is_refused() -> None:
    network = LinearNetwork(torch.ones(1, 48), torch.zeros(1))
    problem = two_classes()
    labels = torch.zeros_like(problem.labels)
    with pytest.raises(ModelError, match="expected logits of two classes or more, not 1"):
        run_trial(network, network, problem.images, labels, problem.ids, GenAttack(epsilon=0.1, steps=1))


def test_reads_generations_and_radii_in_one_pass() -> None:
    problem = many_classes()
    points = [Point(epsilon, steps) for epsilon in (0.005, 0.05) for steps in (0 + 2, 7)]
    arguments = (problem.network, problem.network, problem.images, problem.labels, problem.ids)
    together = run_trial(*arguments, GenAttack(epsilon=0.005, population=4), points=points).rows
    for place, point in enumerate(points):
        alone = run_trial(*arguments, GenAttack(epsilon=point.epsilon, steps=point.steps, population=4)).rows
        part = slice(30 * place, 30 * place + 30)
        for name in ("target_rank", "queries", "first_success_step"):
            assert together[name][part].tolist() == alone[name].tolist(), (point, name)
        np.testing.assert_allclose(together["l2"][part], alone["l2"], atol=1e-6)


@pytest.mark.parametrize(("chance", "patience"), [(0.35, 100), (0.2, 300)])
def test_adaptive_rates_decay_a_plateau_at_a_time(chance: float, patience: int, monkeypatch) -> None:
    """Nothing improves: margins of -0.3 and -0.6 stay, and the first plateau is over after 100 or 300 generations."""
    rates = []
    original = _Population._mutation

    def recorded(self: _Population, attack: GenAttack, generation: int) -> tuple[Tensor, Tensor]:
        rate, reach = original(self, attack, generation)
        rates.append((float(rate[0]), float(reach[0])))
        return rate, reach

    monkeypatch.setattr(_Population, "_mutation", recorded)
    network = LinearNetwork(torch.zeros(2, 48), torch.tensor([1 - chance, chance]).log())
    images, labels = torch.full((1, 3, 4, 4), 0.5), torch.tensor([0])
    attack = GenAttack(epsilon=0.1, steps=320, population=2, adaptive=True)
    rows = run_trial(network, network, images, labels, torch.arange(1), attack).rows
    assert rows["queries"].tolist() == [2 + 320]
    assert rates[:10] == [(1.0, pytest.approx(0.4))] * 10
    assert rates[10:patience] == [pytest.approx((0.5, 0.4))] * (patience - 10)
    assert rates[patience + 1] == pytest.approx((0.45, 0.36))


@pytest.mark.shared
@pytest.mark.slow
def test_strength_on_a_published_network(shared: Path) -> None:
    """Targeted success after 50 generations of 16 at 8/255."""
    model = brinell.models.build("resnet20", weights=shared / "weights/resnet20-12fca82f.th")
    test = brinell.data.build("cifar10", root=shared / "data/cifar10-jpeg", split="test", examples=24)
    images, labels = test.tensors()
    attack = GenAttack(epsilon=8 / 255, steps=50, mutation_range=1.0)
    rows = run_trial(model, model, images, labels, test.ids, attack, rounded=False).rows
    assert (rows["target_rank"] == 0).mean() >= 0.66
