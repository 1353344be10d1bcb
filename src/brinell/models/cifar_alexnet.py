"""AlexNet for images of CIFAR's size: the network that the robustness paper compresses."""

from __future__ import annotations

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from brinell.core import Fraction
from brinell.models.architecture import Architecture

_CHANNELS = (1, 3, 6, 4, 4)
"""Of each convolution, in widths."""


class _AlexNet(nn.Module):
    def __init__(self, width: int, hidden: int, in_channels: int, classes: int, size: int, dropout: float) -> None:
        super().__init__()
        first, second, third, fourth, fifth = (width * share for share in _CHANNELS)
        self.conv1 = nn.Conv2d(in_channels, first, 3, stride=2, padding=1)
        self.conv2 = nn.Conv2d(first, second, 3, padding=1)
        self.conv3 = nn.Conv2d(second, third, 3, padding=1)
        self.conv4 = nn.Conv2d(third, fourth, 3, padding=1)
        self.conv5 = nn.Conv2d(fourth, fifth, 3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.dropout = nn.Dropout(dropout)
        self.fc1 = nn.Linear(fifth * ((size + 1) // 16) ** 2, hidden)
        self.fc2 = nn.Linear(hidden, hidden)
        self.fc3 = nn.Linear(hidden, classes)
        for layer in self.modules():
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        out = self.pool(F.relu(self.conv1(x)))
        out = self.pool(F.relu(self.conv2(out)))
        out = F.relu(self.conv4(F.relu(self.conv3(out))))
        out = self.pool(F.relu(self.conv5(out))).flatten(1)
        out = F.relu(self.fc1(self.dropout(out)))
        out = F.relu(self.fc2(self.dropout(out)))
        logits: Tensor = self.fc3(out)
        return logits


class CifarAlexNet(Architecture):
    """8 layers, 23,262,912 weights (nine in ten of them fully connected), 63 million multiply-accumulates an image.

    Five convolutions of 3 x 3 (64 with stride 2, 192, 384, 256, 256 channels) with three poolings, and three fully
    connected layers 1024 -> 4096 -> 4096 -> classes behind dropout; no batch norm, as in Krizhevsky 2012. Images have
    to be of `size`, which sets the first fully connected layer's inputs.

    Examples:
        >>> import brinell
        >>> brinell.models.CifarAlexNet(classes=7).input_shape
        (3, 32, 32)
    """

    kind = "cifar_alexnet"

    classes: int = Field(10, ge=1)
    """Number of logits."""
    in_channels: int = Field(3, ge=1)
    """Number of channels of the images."""
    size: int = Field(32, ge=16)
    """Default height and width of images in pixels; convolutional networks accept others."""
    width: int = Field(64, ge=1)
    """Channels of the first convolution; the others have 3, 6, 4 and 4 times as many."""
    hidden: int = Field(4096, ge=1)
    """Units of the two hidden fully connected layers."""
    dropout: Fraction = Field(0.5, ge=0, lt=1)
    """Share of the units before the first and the second fully connected layer that are dropped in training."""
    mean: tuple[float, ...] = (0.4914, 0.4822, 0.4465)
    """Mean that is subtracted from each channel; images are in [0, 1]."""
    std: tuple[float, ...] = (0.247, 0.2435, 0.2616)
    """Standard deviation that each channel is divided by."""

    def network(self) -> nn.Module:
        """The bare network."""
        return _AlexNet(self.width, self.hidden, self.in_channels, self.classes, self.size, self.dropout)
