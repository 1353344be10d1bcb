"""The ImageNet residual networks of He et al. 2016 (section 4.1), with projections (option B) where shapes change."""

from __future__ import annotations

from typing import ClassVar

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from brinell.models.architecture import Architecture
from brinell.models.normalized import IMAGENET_MEAN, IMAGENET_STD


class _Basic(nn.Module):
    growth = 1

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = _projection(inputs, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(out)) + (x if self.downsample is None else self.downsample(x)))


class _Bottleneck(nn.Module):
    """The stride is that of the 3 x 3 convolution, as in torchvision; the paper has it in the first 1 x 1."""

    growth = 4

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.downsample = _projection(inputs, 4 * width, stride)

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x)))
        out = F.relu(self.bn2(self.conv2(out)))
        return F.relu(self.bn3(self.conv3(out)) + (x if self.downsample is None else self.downsample(x)))


def _projection(inputs: int, outputs: int, stride: int) -> nn.Sequential | None:
    if inputs == outputs and stride == 1:
        return None
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))


def _stage(block: type[_Basic | _Bottleneck], depth: int, inputs: int, width: int, stride: int) -> nn.Sequential:
    rest = (block(block.growth * width, width, 1) for _ in range(depth - 1))
    return nn.Sequential(block(inputs, width, stride), *rest)


class _ResNet(nn.Module):
    """Attribute names are torchvision's, so that its checkpoints load as they are."""

    def __init__(
        self, block: type[_Basic | _Bottleneck], depths: tuple[int, ...], in_channels: int, classes: int
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        widths = [64, *(block.growth * (64 << stage) for stage in range(4))]
        self.layer1 = _stage(block, depths[0], widths[0], 64, 1)
        self.layer2 = _stage(block, depths[1], widths[1], 128, 2)
        self.layer3 = _stage(block, depths[2], widths[2], 256, 2)
        self.layer4 = _stage(block, depths[3], widths[3], 512, 2)
        self.fc = nn.Linear(widths[-1], classes)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        out = self.maxpool(F.relu(self.bn1(self.conv1(x))))
        out = self.layer4(self.layer3(self.layer2(self.layer1(out))))
        logits: Tensor = self.fc(out.mean((2, 3)))
        return logits


class _ImageNetResNet(Architecture):
    block: ClassVar[type[_Basic | _Bottleneck]]
    depths: ClassVar[tuple[int, ...]]
    """Residual blocks of each stage."""

    classes: int = Field(1000, ge=1)
    """Number of logits."""
    in_channels: int = Field(3, ge=1)
    """Number of channels of the images."""
    size: int = Field(224, ge=1)
    """Default height and width of images in pixels; convolutional networks accept others."""
    mean: tuple[float, ...] = IMAGENET_MEAN
    """Mean that is subtracted from each channel; images are in [0, 1]."""
    std: tuple[float, ...] = IMAGENET_STD
    """Standard deviation that each channel is divided by."""

    def network(self) -> nn.Module:
        """The bare network."""
        return _ResNet(self.block, self.depths, self.in_channels, self.classes)


class ResNet18(_ImageNetResNet):
    """18 layers, 11,678,912 weights, 1,814.07 million multiply-accumulates an image of 224 x 224.

    Examples:
        >>> import brinell
        >>> brinell.models.ResNet18(classes=7).input_shape
        (3, 224, 224)
    """

    kind = "resnet18"
    block = _Basic
    depths = (2, 2, 2, 2)


class ResNet50(_ImageNetResNet):
    """50 layers, 25,502,912 weights, 4,089.18 million multiply-accumulates an image of 224 x 224.

    Examples:
        >>> import brinell
        >>> brinell.models.ResNet50(classes=7).input_shape
        (3, 224, 224)
    """

    kind = "resnet50"
    block = _Bottleneck
    depths = (3, 4, 6, 3)
