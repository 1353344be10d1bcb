"""MobileNet v1 for images of CIFAR's size."""

from __future__ import annotations

from pydantic import Field
from torch import nn

from brinell.core import Fraction
from brinell.models.architecture import Architecture
from brinell.models.mobilenet import Activation, MobileNet


class CifarMobileNet(Architecture):
    """3,217,226 parameters, 3,195,328 of them weights, 46.35 million multiply-accumulates an image of 32 x 32.

    MobileNet v1 (Howard 2017) whose first convolution has stride 1, so that maps are 32, 16, 8, 4 and 2 pixels wide:
    the network of the collection pytorch-cifar (K. Liu).

    Examples:
        >>> import brinell
        >>> brinell.models.CifarMobileNet(classes=7).input_shape
        (3, 32, 32)
    """

    kind = "cifar_mobilenet"

    classes: int = Field(10, ge=1)
    """Number of logits."""
    in_channels: int = Field(3, ge=1)
    """Number of channels of the images."""
    size: int = Field(32, ge=1)
    """Default height and width of images in pixels; convolutional networks accept others."""
    multiplier: Fraction = Field(1.0, gt=0, le=4)
    """Of all widths."""
    activation: Activation = "relu"
    """Activation after each convolution."""
    mean: tuple[float, ...] = (0.4914, 0.4822, 0.4465)
    """Mean that is subtracted from each channel; images are in [0, 1]."""
    std: tuple[float, ...] = (0.247, 0.2435, 0.2616)
    """Standard deviation that each channel is divided by."""

    def network(self) -> nn.Module:
        """The bare network."""
        return MobileNet(self.in_channels, self.classes, self.multiplier, first_stride=1, activation=self.activation)
