"""AlexNet for ImageNet, in the one-tower form of Krizhevsky 2014 that torchvision has."""

from __future__ import annotations

from pydantic import Field
from torch import Tensor, nn

from brinell.models.architecture import Architecture
from brinell.models.normalized import IMAGENET_MEAN, IMAGENET_STD


class _AlexNet(nn.Module):
    """Attribute names are torchvision's, so that its checkpoints load as they are."""

    def __init__(self, in_channels: int, classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, 64, 11, stride=4, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(64, 192, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(192, 384, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(384, 256, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(256, 256, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
        )
        self.avgpool = nn.AdaptiveAvgPool2d((6, 6))
        self.classifier = nn.Sequential(
            nn.Dropout(0.5),
            nn.Linear(256 * 6 * 6, 4096),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(4096, 4096),
            nn.ReLU(),
            nn.Linear(4096, classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.avgpool(self.features(x)).flatten(1))
        return logits


class AlexNet(Architecture):
    """61,100,840 parameters, 61,090,496 of them weights; images of 63 x 63 and more.

    Examples:
        >>> import brinell
        >>> brinell.models.AlexNet(classes=7).input_shape
        (3, 224, 224)
    """

    kind = "alexnet"

    classes: int = Field(1000, ge=1)
    """Number of logits."""
    in_channels: int = Field(3, ge=1)
    """Number of channels of the images."""
    size: int = Field(224, ge=63)
    """Default height and width of images in pixels; convolutional networks accept others."""
    mean: tuple[float, ...] = IMAGENET_MEAN
    """Mean that is subtracted from each channel; images are in [0, 1]."""
    std: tuple[float, ...] = IMAGENET_STD
    """Standard deviation that each channel is divided by."""

    def network(self) -> nn.Module:
        """The bare network."""
        return _AlexNet(self.in_channels, self.classes)
