"""Networks whose modules or parameters are shared, tied or frozen."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from zoo.odd import CLASSES, OddNetwork, Small, settled


class CalledTwice(nn.Module):
    """One convolution and one batch norm, each called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 6, 3, padding=1)
        self.shared, self.norm = nn.Conv2d(6, 6, 3, padding=1), settled(nn.BatchNorm2d(6))
        self.classifier = nn.Linear(6, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.first(x))
        for _ in range(2):
            x = F.relu(self.norm(self.shared(x)))
        return self.classifier(x.mean((2, 3)))


class SharedNorm(CalledTwice):
    """Two convolutions before one batch norm."""

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norm(self.first(x)))
        return self.classifier(F.relu(self.norm(self.shared(x))).mean((2, 3)))


class UsedBeforeTheNorm(CalledTwice):
    """The convolution's output is wanted before its batch norm as well as after it."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.shared(F.relu(self.first(x)))
        return self.classifier((F.relu(self.norm(x)) + x).mean((2, 3)))


def under_two_names() -> nn.Module:
    network = CalledTwice()
    network.other = network.shared
    network.forward_order = nn.ModuleList([network.shared, network.norm])
    return network.eval()


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = (nn.Conv2d(size, 6, 3, padding=1) for size in (1, 6, 6))
        self.norm = settled(nn.BatchNorm2d(6))
        self.third.weight = self.second.weight
        self.classifier = nn.Linear(6, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norm(self.second(F.relu(self.first(x)))))
        return self.classifier(F.relu(self.third(x)).mean((2, 3)))


def frozen_backbone() -> nn.Module:
    network = Small()
    network.first.requires_grad_(False)
    network.first_norm.requires_grad_(False).eval()
    return network.eval()


def frozen_norms_in_training_mode() -> nn.Module:
    network = Small().train()
    network.first_norm.eval()
    network.second_norm.eval()
    return network


def in_training_mode() -> nn.Module:
    network = Small()
    return nn.Sequential(network, nn.Dropout(0.5)).train()


NETWORKS = (
    OddNetwork("layers called twice", lambda: CalledTwice().eval()),
    OddNetwork("batch norm of two convolutions", lambda: SharedNorm().eval()),
    OddNetwork("output used before its batch norm", lambda: UsedBeforeTheNorm().eval()),
    OddNetwork("module under two names", under_two_names),
    OddNetwork("tied parameter", lambda: Tied().eval()),
    OddNetwork("frozen backbone", frozen_backbone),
    OddNetwork("frozen batch norms in training mode", frozen_norms_in_training_mode),
    OddNetwork("training mode with dropout", in_training_mode),
)
