"""`brinell.attack` at several points in one pass, and how outcomes, variants and runs print."""

from __future__ import annotations

import re

import pytest
import torch
from torch import Tensor, nn

import brinell
from brinell.attacks import DDN, FGSM, PGD, Attack, Square
from brinell.core import ConfigurationError, Point
from brinell.variants import Variant


@pytest.fixture(scope="module")
def problem() -> tuple[nn.Module, Tensor, Tensor]:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(216, 5)).eval()
    images = torch.rand(40, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return network, images, network(images).argmax(1)


@pytest.mark.parametrize(
    ("attack", "points"),
    [
        (FGSM(epsilon=0.1), [0.02, 0.05, 0.1]),
        (PGD(epsilon=0.1, steps=4), [0.02, (0.02, 7), 0.1, (0.1, 2)]),
        (Square(epsilon=0.1, steps=20), [0.05, Point(0.1, 10)]),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_every_point_is_what_a_call_of_its_own_gives(
    problem: tuple[nn.Module, Tensor, Tensor], attack: Attack, points: list[Point | float]
) -> None:
    found = brinell.attack(*problem, attack, points=points)
    assert len(found) == len(points)
    for outcome, point in zip(found, points, strict=True):
        expected = point if isinstance(point, tuple) else (point, attack.point.steps)
        assert outcome.point == expected
        alone = brinell.attack(*problem, attack.at(Point(*expected)))
        assert alone.point == expected
        assert torch.allclose(outcome.adversarials, alone.adversarials, atol=1e-6)
        for name in ("success", "predictions", "clean_correct", "forwards", "backwards"):
            assert torch.equal(getattr(outcome, name), getattr(alone, name)), name
        assert torch.allclose(outcome.distances["l2"], alone.distances["l2"], atol=1e-5)


def test_one_pass_serves_all_radii_and_one_copy_all_points(
    problem: tuple[nn.Module, Tensor, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    passes = []

    class Counted(nn.Module):
        def __init__(self, network: nn.Module) -> None:
            super().__init__()
            self.network = network

        def forward(self, images: Tensor) -> Tensor:
            passes.append(len(images))
            logits: Tensor = self.network(images)
            return logits

    network, images, labels = problem
    counted = Counted(network)
    brinell.attack(counted, images, labels, FGSM(epsilon=0.1))
    passes.clear()
    copies = []
    copy = brinell.attacks.harness.frozen_network.frozen_copy
    monkeypatch.setattr(
        brinell.attacks.harness.frozen_network, "frozen_copy", lambda *given: copies.append(1) or copy(*given)
    )
    brinell.attack(counted, images, labels, FGSM(epsilon=0.1), points=[0.01 * place for place in range(1, 9)])
    together = sum(passes)
    passes.clear()
    for place in range(1, 9):
        brinell.attack(counted, images, labels, FGSM(epsilon=0.01 * place))
    assert together < 0.8 * sum(passes)
    assert len(copies) == 1 + 8


def test_points_that_the_attack_does_not_have_are_refused(problem: tuple[nn.Module, Tensor, Tensor]) -> None:
    with pytest.raises(ConfigurationError, match="points: at least one is needed"):
        brinell.attack(*problem, FGSM(epsilon=0.1), points=[])
    with pytest.raises(ConfigurationError):
        brinell.attack(*problem, FGSM(epsilon=0.1), points=[(0.1, 5)])


def test_outcomes_and_variants_print_in_one_line_and_as_a_table(problem: tuple[nn.Module, Tensor, Tensor]) -> None:
    outcome = brinell.attack(*problem, FGSM(epsilon=8 / 255))
    assert re.fullmatch(
        r"Outcome\(images: 40, epsilon: 0\.03137, steps: 1, clean accuracy: 100\.0%, robust accuracy: \d+\.\d%, "
        r"attack success rate: \d+\.\d%\)",
        repr(outcome),
    )
    assert "<tr><th>images</th><td>40</td></tr>" in outcome._repr_html_()
    assert "median l2: " in repr(brinell.attack(*problem, DDN(steps=20)))
    variant = Variant.of(problem[0], input_shape=(1, 8, 8), classes=5)
    assert repr(variant) == (
        "Variant(network: Sequential, made by: nothing, input: 1\u00d78\u00d78, classes: 5, values: 1,145, "
        "runtime: reference)"
    )
    assert variant._repr_html_().startswith("<table><tr><th>network</th>")
