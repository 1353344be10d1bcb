"""SqueezeNet for images of CIFAR's size."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn

from brinell.models.architecture import Architecture
from brinell.models.squeezenet import FIRES, initialize


class _Convolution(nn.Sequential):
    def __init__(self, inputs: int, outputs: int, kernel: int = 1) -> None:
        layer = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
        super().__init__(layer, nn.BatchNorm2d(outputs), nn.ReLU())


class _Fire(nn.Module):
    def __init__(self, inputs: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze = _Convolution(inputs, squeezed)
        self.expand1x1 = _Convolution(squeezed, expanded)
        self.expand3x3 = _Convolution(squeezed, expanded, 3)

    def forward(self, x: Tensor) -> Tensor:
        squeezed = self.squeeze(x)
        return torch.cat([self.expand1x1(squeezed), self.expand3x3(squeezed)], 1)


class _SqueezeNet(nn.Module):
    def __init__(self, in_channels: int, classes: int) -> None:
        super().__init__()
        fires = [_Fire(*sizes) for sizes in FIRES]
        first = _Convolution(in_channels, 96, 3)
        self.features = nn.Sequential(
            *(first, nn.MaxPool2d(2)),
            *(*fires[:3], nn.MaxPool2d(2)),
            *(*fires[3:], nn.MaxPool2d(2)),
            _Fire(512, 64, 256),
        )
        self.classifier = nn.Sequential(
            nn.Dropout(0.5), nn.Conv2d(512, classes, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        )
        initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.features(x))
        return logits


class CifarSqueezeNet(Architecture):
    """732,010 parameters, 726,048 of them weights, 52.54 million multiply-accumulates an image of 32 x 32.

    The Fire modules of SqueezeNet 1.0 (Iandola 2016) behind a convolution of 3 x 3 with stride 1, each convolution with
    batch norm; poolings halve the maps as in 1.0, to 16, 8 and 4 pixels. Logits are
    not rectified, so that no class can lose its gradient.

    Examples:
        >>> import brinell
        >>> brinell.models.CifarSqueezeNet(classes=7).input_shape
        (3, 32, 32)
    """

    kind = "cifar_squeezenet"

    classes: int = Field(10, ge=1)
    """Number of logits."""
    in_channels: int = Field(3, ge=1)
    """Number of channels of the images."""
    size: int = Field(32, ge=8)
    """Default height and width of images in pixels; convolutional networks accept others."""
    mean: tuple[float, ...] = (0.4914, 0.4822, 0.4465)
    """Mean that is subtracted from each channel; images are in [0, 1]."""
    std: tuple[float, ...] = (0.247, 0.2435, 0.2616)
    """Standard deviation that each channel is divided by."""

    def network(self) -> nn.Module:
        """The bare network."""
        return _SqueezeNet(self.in_channels, self.classes)
