"""The memory layout that a training uses."""

from __future__ import annotations

import pytest
from torch import Tensor, nn

from brinell.data import Dataset
from brinell.training.device import supports_channels_last


class Viewing(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.linear = nn.Conv2d(1, 4, 3, padding=1), nn.Linear(256, 10)

    def forward(self, images: Tensor) -> Tensor:
        return self.linear(self.convolution(images).view(len(images), -1))


def network(*middle: nn.Conv2d) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1),
        *middle,
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(middle[-1].out_channels, 10),
    )


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (network(nn.Conv2d(6, 11, 1)), True),
        (network(nn.Conv2d(6, 11, 3, stride=2)), True),
        (network(nn.Conv2d(6, 16, 1), nn.Conv2d(16, 11, 1, stride=2)), True),
        (network(nn.Conv2d(6, 11, 1, stride=2)), False),  # oneDNN writes past a buffer here
        (network(nn.Conv2d(6, 16, 1, stride=2)), False),
        (Viewing(), False),
    ],
)
def test_channels_last_only_where_it_is_safe(
    module: nn.Module, expected: bool, digits: tuple[Dataset, Dataset]
) -> None:
    assert supports_channels_last(module, digits[0]) == expected
