"""AutoAttack: the order and the budgets of the original, and that each stage sees only what is left."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from attacks.small import Small, reads_in_one_call_what_separate_calls_read, small
from brinell.attacks import APGD, AutoAttack
from brinell.attacks.auto_attack import STAGES
from brinell.core import Point


class Unbreakable(nn.Module):
    """Class 0 of twelve wins wherever the image goes, and yet there is a gradient."""

    def forward(self, images: Tensor) -> Tensor:
        rest = torch.tanh(images.flatten(1)[:, :11])
        return torch.cat([10 + 0 * rest[:, :1], rest], dim=1)


@pytest.mark.parametrize(
    ("version", "forwards", "backwards"),
    [
        # A pass of the clean image; 11 looks a run of APGD of 10 steps, 2 a step of FAB, and Square's queries.
        ("standard", 1 + 11 + 9 * 11 + 9 * 20 + 50, 10 + 90 + 90),
        ("plus", 1 + 10 * 11 + 5 * 20 + 50 + 9 * 11 + 9 * 20, 100 + 5 * 10 * 11 + 90 + 90),
    ],
)
def test_a_robust_image_takes_the_budgets_of_the_original(version: str, forwards: int, backwards: int) -> None:
    """By default 100 steps and 5,000 queries; here a tenth and a hundredth."""
    assert (AutoAttack(epsilon=0.1).steps, AutoAttack(epsilon=0.1).queries) == (100, 5000)
    problem = Small(Unbreakable(), torch.rand(1, 3, 2, 2), torch.zeros(1, dtype=torch.int64), torch.arange(1))
    rows = problem.rows(AutoAttack(epsilon=0.1, version=version, steps=10, queries=50))
    assert rows["forwards"].tolist() == [forwards]
    assert rows["backwards"].tolist() == [backwards]


def test_the_random_version_averages_over_twenty_passes() -> None:
    problem = Small(Unbreakable(), torch.rand(1, 3, 2, 2), torch.zeros(1, dtype=torch.int64), torch.arange(1))
    rows = problem.rows(AutoAttack(epsilon=0.1, version="rand", steps=10))
    assert rows["backwards"].tolist() == [2 * 10 * 20]
    assert [stage.name for stage in STAGES["rand"]] == ["apgd-ce", "apgd-dlr"]


@pytest.fixture(scope="module")
def problem() -> Small:
    return small()


def test_the_first_stage_is_apgd(problem: Small) -> None:
    """Its noise is that of APGD alone, so that it breaks exactly the same images in as many passes."""
    first = problem.rows(APGD(epsilon=0.02, steps=10))
    whole = problem.rows(AutoAttack(epsilon=0.02, steps=10, queries=30))
    fell = first["rank"] > 0
    assert fell.any()
    assert (whole["restart"][fell] == 0).all()
    assert (whole["forwards"][fell] == first["forwards"][fell] + 1).all()  # the clean pass
    assert ((whole["rank"] > 0) >= fell).all()


def test_later_stages_break_what_the_first_leave() -> None:
    """Cross-entropy saturates: its gradient is zero, and the classes in turn find the way."""
    problem = small()
    head = [layer for layer in problem.network.modules() if isinstance(layer, nn.Linear)][-1]
    for part in head.parameters():
        part.data.mul_(1e4)
    rows = problem.rows(AutoAttack(epsilon=0.05, steps=10, queries=20))
    assert (rows["rank"] > 0).mean() > 0.8
    assert set(rows["restart"][rows["rank"] > 0].tolist()) >= {1}


def test_reads_radii_in_one_call(problem: Small) -> None:
    points = [Point(epsilon, 8) for epsilon in (0.01, 0.03)]
    reads_in_one_call_what_separate_calls_read(problem, AutoAttack(epsilon=0.01, steps=8, queries=20), points)


@pytest.mark.parametrize("version", ["standard", "plus", "rand"])
def test_two_classes_have_no_dlr_loss(version: str) -> None:
    problem = small()
    network = nn.Sequential(problem.network, Two())
    with torch.no_grad():
        labels = network(problem.images).argmax(1)
    attack = AutoAttack(epsilon=0.05, steps=5, queries=5, version=version)
    assert (Small(network, problem.images, labels, problem.ids).rows(attack)["rank"] > 0).any()


class Two(nn.Module):
    def forward(self, logits: Tensor) -> Tensor:
        return logits[:, :2]
