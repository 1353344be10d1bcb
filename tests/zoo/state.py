"""Networks that keep something: activations, counters, extra state, lazily made or unregistered tensors."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from zoo.odd import CLASSES, OddNetwork, Small


class KeepsActivations(Small):
    def forward(self, x: Tensor) -> Tensor:
        self.maps = self.features(x)
        return self.classifier(self.maps.flatten(1))


class KeepsListsOfActivations(Small):
    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[str, list[Tensor]] = {"maps": []}

    def forward(self, x: Tensor) -> Tensor:
        maps = self.features(x)
        self.kept["maps"] = [maps, maps * 2]
        return self.classifier(maps.flatten(1))


class Extra(Small):
    def get_extra_state(self) -> dict[str, int]:
        return {"version": 3}

    def set_extra_state(self, state: Any) -> None:
        return


class Counts(Small):
    """A buffer that grows with every call, and matters to nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return super().forward(x)


class OwnNormalization(Small):
    """Mean and deviation as plain attributes, which `Module.to` does not move."""

    def __init__(self) -> None:
        super().__init__()
        self.mean, self.deviation = torch.tensor([0.3]).view(1, 1, 1, 1), 0.2

    def forward(self, x: Tensor) -> Tensor:
        return super().forward((x - self.mean.to(x)) / self.deviation)


class PassingBuffer(Small):
    """A buffer that is no part of the state."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.full((1, 1, 1), 0.3), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x - self.mean)


class Parameters(nn.Module):
    """Weights without layers."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.ParameterList([torch.randn(16, 64) * 0.1, torch.randn(CLASSES, 16)])
        self.scale = nn.Parameter(torch.tensor(1.5))

    def forward(self, x: Tensor) -> Tensor:
        first, second = self.weights
        return (x.flatten(1) @ first.T).relu() @ second.T * self.scale


class Unregistered(Small):
    """Layers in a plain list, which no parent knows of."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = [nn.Conv2d(1, 1, 3, padding=1)]

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(self.hidden[0](x))


class Recurses(Small):
    """Knows its parent: a cycle of modules outside the tree."""

    def __init__(self) -> None:
        super().__init__()
        self.__dict__["myself"] = self

    def forward(self, x: Tensor) -> Tensor:
        return Small.forward(self.myself, x)


def after_a_pass(kind: type[nn.Module]) -> nn.Module:
    network = kind().eval()
    network(torch.rand(2, 1, 8, 8))
    return network


def lazy() -> nn.Module:
    network = nn.Sequential(
        nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.ReLU(), nn.Flatten(), nn.LazyLinear(CLASSES)
    ).eval()
    network(torch.rand(2, 1, 8, 8))
    return network


class Empty(Small):
    """Has a length, of zero, and so is false."""

    def __len__(self) -> int:
        return 0


NETWORKS = (
    OddNetwork("length of zero", lambda: Empty().eval()),
    OddNetwork("activations as attributes", lambda: after_a_pass(KeepsActivations)),
    OddNetwork("activations in a dictionary of lists", lambda: after_a_pass(KeepsListsOfActivations)),
    OddNetwork("extra state", lambda: Extra().eval()),
    OddNetwork("call counter", lambda: after_a_pass(Counts)),
    OddNetwork("normalisation as attributes", lambda: OwnNormalization().eval()),
    OddNetwork("buffer that is not stored", lambda: PassingBuffer().eval()),
    OddNetwork("parameters without layers", lambda: Parameters().eval()),
    OddNetwork("layers in a plain list", lambda: Unregistered().eval()),
    OddNetwork("reference to itself", lambda: Recurses().eval()),
    OddNetwork("lazy layers that were made", lazy),
)
