"""MobileNet v1 (Howard 2017): depthwise convolutions, each followed by one of 1 x 1."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn

from brinell.core import Fraction
from brinell.models.architecture import Architecture
from brinell.models.normalized import IMAGENET_MEAN, IMAGENET_STD

_BLOCKS = (
    *((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)),
    *([(512, 1)] * 5),
    *((1024, 2), (1024, 1)),
)
"""Channels out and stride of each depthwise block (table 1; its last stride of 2 is a misprint, for 7 x 7 stays)."""


class _Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(inputs, inputs, 3, stride, padding=1, groups=inputs, bias=False)
        self.bn1 = nn.BatchNorm2d(inputs)
        self.pointwise = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.bn2(self.pointwise(torch.relu(self.bn1(self.depthwise(x))))))


class _MobileNet(nn.Module):
    def __init__(self, in_channels: int, classes: int, multiplier: float) -> None:
        super().__init__()
        widths = [max(1, round(multiplier * width)) for width, _ in _BLOCKS]
        first = max(1, round(multiplier * 32))
        self.conv1 = nn.Conv2d(in_channels, first, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(first)
        strides = [stride for _, stride in _BLOCKS]
        self.blocks = nn.Sequential(*map(_Block, [first, *widths], widths, strides))
        self.dropout = nn.Dropout(0.001)  # of the published network
        self.fc = nn.Linear(widths[-1], classes)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        out = self.blocks(torch.relu(self.bn1(self.conv1(x))))
        logits: Tensor = self.fc(self.dropout(out.mean((2, 3))))
        return logits


class MobileNetV1(Architecture):
    """4,231,976 parameters, 4,209,088 of them weights, 568.74 million multiply-accumulates an image of 224 x 224."""

    kind = "mobilenet_v1"

    classes: int = Field(1000, ge=1)
    in_channels: int = Field(3, ge=1)
    size: int = Field(224, ge=1)
    multiplier: Fraction = Field(1.0, gt=0, le=4)
    """Of all widths: the paper's alpha, 1, 0.75, 0.5 or 0.25."""
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD

    def network(self) -> nn.Module:
        """The bare network."""
        return _MobileNet(self.in_channels, self.classes, self.multiplier)
