"""A small network with several classes, and images that it classifies correctly, for attacks to be compared on."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

import brinell.models
from brinell.attacks import Attack, TrialResult, run_trial


class Small(NamedTuple):
    """Four classes of 8 x 8 images in colour."""

    network: nn.Module
    images: Tensor
    labels: Tensor
    ids: Tensor

    def attacked(self, attack: Attack, **options: Any) -> TrialResult:
        return run_trial(self.network, self.network, self.images, self.labels, self.ids, attack, **options)

    def rows(self, attack: Attack, **options: Any) -> dict[str, np.ndarray]:
        return self.attacked(attack, **options).rows


def small(examples: int = 24) -> Small:
    torch.manual_seed(0)
    network = brinell.models.build("resnet8", in_channels=3, mean=(0.5,) * 3, std=(0.25,) * 3, classes=4).eval()
    images = torch.rand(examples, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        labels = network(images).argmax(1)
    return Small(network, images, labels, torch.arange(examples))


def reads_in_one_call_what_separate_calls_read(problem: Small, attack: Attack, points: list) -> None:
    """Rows of several points are those of each alone."""
    count = len(problem.labels)
    together = problem.rows(attack, points=points)
    for place, point in enumerate(points):
        alone = problem.rows(attack.at(point))
        part = slice(count * place, count * place + count)
        for name in ("prediction", "rank", "forwards", "backwards", "restart"):
            assert together[name][part].tolist() == alone[name].tolist(), (point, name)
        np.testing.assert_allclose(together["l2"][part], alone["l2"], atol=1e-4)
