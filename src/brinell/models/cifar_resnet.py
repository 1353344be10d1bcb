"""The CIFAR residual networks of He et al. 2016 (section 4.2), with parameter-free (option A) shortcuts."""

from __future__ import annotations

from typing import ClassVar

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from brinell.models.architecture import Architecture


class _Shortcut(nn.Module):
    """Option A: every second pixel, and zeros for the channels that are new. Holds no weights."""

    def __init__(self, new_channels: int) -> None:
        super().__init__()
        self.new_channels = new_channels

    def forward(self, x: Tensor) -> Tensor:
        before = self.new_channels // 2
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, before, self.new_channels - before))


class _Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Identity() if stride == 1 else _Shortcut(outputs - inputs)

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(out)) + self.shortcut(x))


class _ResNet(nn.Module):
    """Attribute names are those of the checkpoints by Y. Idelbayev (pytorch_resnet_cifar10), which load as they are."""

    def __init__(self, blocks: int, width: int, in_channels: int, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.layer1 = self._stage(blocks, width, width, 1)
        self.layer2 = self._stage(blocks, width, 2 * width, 2)
        self.layer3 = self._stage(blocks, 2 * width, 4 * width, 2)
        self.linear = nn.Linear(4 * width, classes)
        for layer in self.modules():
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(layer.weight)

    @staticmethod
    def _stage(blocks: int, inputs: int, outputs: int, stride: int) -> nn.Sequential:
        rest = [_Block(outputs, outputs, 1) for _ in range(blocks - 1)]
        return nn.Sequential(_Block(inputs, outputs, stride), *rest)

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.layer3(self.layer2(self.layer1(out)))
        logits: Tensor = self.linear(out.mean((2, 3)))
        return logits


class _CifarResNet(Architecture):
    blocks: ClassVar[int]
    """Residual blocks a stage; the depth is 6 * blocks + 2."""

    classes: int = Field(10, ge=1)
    """Number of logits."""
    in_channels: int = Field(3, ge=1)
    """Number of channels of the images."""
    size: int = Field(32, ge=4)
    """Default height and width of images in pixels; convolutional networks accept others."""
    width: int = Field(16, ge=1)
    """Channels of the first stage; the second and third have two and four times as many."""
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    """Mean that is subtracted from each channel; images are in [0, 1]."""
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    """Standard deviation that each channel is divided by."""

    def network(self) -> nn.Module:
        """The bare network."""
        return _ResNet(self.blocks, self.width, self.in_channels, self.classes)


class ResNet20(_CifarResNet):
    """20 layers, 268,336 weights, 40.55 million multiply-accumulates an image of 32 x 32.

    Examples:
        >>> import brinell
        >>> brinell.models.ResNet20(classes=7).input_shape
        (3, 32, 32)
    """

    kind = "resnet20"
    blocks = 3


class ResNet32(_CifarResNet):
    """32 layers, 461,872 weights, 68.86 million multiply-accumulates an image of 32 x 32.

    Examples:
        >>> import brinell
        >>> brinell.models.ResNet32(classes=7).input_shape
        (3, 32, 32)
    """

    kind = "resnet32"
    blocks = 5


class ResNet44(_CifarResNet):
    """44 layers, 655,408 weights, 97.17 million multiply-accumulates an image of 32 x 32.

    Examples:
        >>> import brinell
        >>> brinell.models.ResNet44(classes=7).input_shape
        (3, 32, 32)
    """

    kind = "resnet44"
    blocks = 7


class ResNet56(_CifarResNet):
    """56 layers, 848,944 weights, 125.49 million multiply-accumulates an image of 32 x 32.

    Examples:
        >>> import brinell
        >>> brinell.models.ResNet56(classes=7).input_shape
        (3, 32, 32)
    """

    kind = "resnet56"
    blocks = 9


class ResNet110(_CifarResNet):
    """110 layers, 1,719,856 weights, 252.89 million multiply-accumulates an image of 32 x 32.

    Examples:
        >>> import brinell
        >>> brinell.models.ResNet110(classes=7).input_shape
        (3, 32, 32)
    """

    kind = "resnet110"
    blocks = 18


class ResNet8(_CifarResNet):
    """8 layers: small enough to train on a laptop in seconds; its defaults fit the 8 x 8 grey digits.

    Examples:
        >>> import brinell
        >>> brinell.models.ResNet8(classes=7).input_shape
        (1, 8, 8)
    """

    kind = "resnet8"
    blocks = 1

    in_channels: int = Field(1, ge=1)
    """Number of channels of the images."""
    size: int = Field(8, ge=4)
    """Default height and width of images in pixels; convolutional networks accept others."""
    mean: tuple[float, ...] = (0.3,)
    """Mean that is subtracted from each channel; images are in [0, 1]."""
    std: tuple[float, ...] = (0.4,)
    """Standard deviation that each channel is divided by."""
