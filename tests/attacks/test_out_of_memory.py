"""A device without enough memory for a batch: it is halved, and rows are those of the whole one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from brinell.attacks import run_trial
from brinell.attacks.harness import crafting
from brinell.attacks.harness import predictions as judge
from brinell.attacks.pgd import PGD


def test_scores_are_computed_by_halves(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []

    def limited(network: Any, images: torch.Tensor) -> torch.Tensor:
        sizes.append(len(images))
        if len(images) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return images.sum((1, 2, 3))[:, None].expand(-1, 2)

    monkeypatch.setattr(judge, "scores", limited)
    images = torch.rand(10, 1, 2, 2)
    assert torch.equal(judge.all_scores(None, images, 10)[:, 0], images.sum((1, 2, 3)))  # type: ignore[arg-type]
    assert sizes == [10, 5, 2, 3, 5, 2, 3]


def test_one_image_that_does_not_fit_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(judge, "scores", never)
    with pytest.raises(torch.OutOfMemoryError):
        judge.all_scores(None, torch.rand(4, 1, 2, 2), 4)  # type: ignore[arg-type]


def test_an_attack_goes_on_with_half_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    craft, sizes = crafting._craft, []

    def limited(attack: Any, oracle: Any, part: Any, *rest: Any) -> Any:
        sizes.append(len(part.images))
        if len(part.images) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return craft(attack, oracle, part, *rest)

    attack = PGD(epsilon=8 / 255, steps=2)
    whole = trial(attack)
    monkeypatch.setattr(crafting, "_craft", limited)
    halved = trial(attack)
    assert {name: np.asarray(values).tolist() for name, values in halved.items()} == {
        name: np.asarray(values).tolist() for name, values in whole.items()
    }
    assert sizes == [10, 5, 2, 2, 2, 2, 2]


def trial(attack: PGD) -> Any:
    draw = torch.Generator().manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(16, 3)).eval().requires_grad_(False)
    for value in network.parameters():
        value.copy_(torch.randn(value.shape, generator=draw))
    images, labels = torch.rand(10, 1, 4, 4, generator=draw), torch.randint(3, (10,), generator=draw)
    return run_trial(network, network, images, labels, torch.arange(10), attack, batch_size=10).rows
