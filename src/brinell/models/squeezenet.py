"""SqueezeNet 1.0 (Iandola 2016): Fire modules of few weights, no linear layer."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn

from brinell.models.architecture import Architecture
from brinell.models.normalized import IMAGENET_MEAN, IMAGENET_STD

FIRES = ((96, 16, 64), (128, 16, 64), (128, 32, 128), (256, 32, 128), (256, 48, 192), (384, 48, 192), (384, 64, 256))
"""Channels in, squeezed, and of each of the two expansions; an eighth follows the last pooling."""


class Fire(nn.Module):
    """One convolution of 1 x 1 to `squeezed` channels, and two of 1 x 1 and 3 x 3 to `expanded` channels each."""

    def __init__(self, inputs: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(inputs, squeezed, 1)
        self.expand1x1 = nn.Conv2d(squeezed, expanded, 1)
        self.expand3x3 = nn.Conv2d(squeezed, expanded, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """The two expansions, one after the other along the channels."""
        squeezed = torch.relu(self.squeeze(x))
        return torch.relu(torch.cat([self.expand1x1(squeezed), self.expand3x3(squeezed)], 1))


class _SqueezeNet(nn.Module):
    """Attribute names are torchvision's, so that its checkpoints load as they are. Poolings round up, as in Caffe."""

    def __init__(self, in_channels: int, classes: int, padding: int) -> None:
        super().__init__()
        fires = [Fire(*sizes) for sizes in FIRES]
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, 96, 7, stride=2),
            nn.ReLU(),
            pool(),
            *fires[:3],
            pool(),
            *fires[3:],
            pool(),
            Fire(512, 64, 256),
        )
        self.classifier = classifier(classes, padding)
        initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.features(x))
        return logits


def pool() -> nn.MaxPool2d:
    """Windows of 3 x 3 in steps of 2, rounded up, as in Caffe."""
    return nn.MaxPool2d(3, stride=2, ceil_mode=True)


def classifier(classes: int, padding: int = 0) -> nn.Sequential:
    """The last convolution and the average of its maps, which are the logits."""
    last = nn.Conv2d(512, classes, 1, padding=padding)
    return nn.Sequential(nn.Dropout(0.5), last, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def initialize(network: nn.Module) -> None:
    """Draw the weights as torchvision does."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    nn.init.normal_(network.get_submodule("classifier.1").weight, std=0.01)  # type: ignore[arg-type]


class SqueezeNet10(Architecture):
    """1,248,424 parameters, 1,244,448 of them weights; images of 21 x 21 and more.

    Examples:
        >>> import brinell
        >>> brinell.models.SqueezeNet10(classes=7).input_shape
        (3, 224, 224)
    """

    kind = "squeezenet1_0"

    classes: int = Field(1000, ge=1)
    """Number of logits."""
    in_channels: int = Field(3, ge=1)
    """Number of channels of the images."""
    size: int = Field(224, ge=21)
    """Default height and width of images in pixels; convolutional networks accept others."""
    mean: tuple[float, ...] = IMAGENET_MEAN
    """Mean that is subtracted from each channel; images are in [0, 1]."""
    std: tuple[float, ...] = IMAGENET_STD
    """Standard deviation that each channel is divided by."""
    classifier_padding: int = Field(0, ge=0, le=1)
    """Round the last, 1 x 1 convolution: 1 in the network that was published (Caffe), 0 in torchvision's."""

    def network(self) -> nn.Module:
        """The bare network."""
        return _SqueezeNet(self.in_channels, self.classes, self.classifier_padding)
