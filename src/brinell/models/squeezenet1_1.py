"""SqueezeNet 1.1 (Iandola 2016, the authors' revision): a smaller first convolution, and poolings that come earlier."""

from __future__ import annotations

from pydantic import Field
from torch import Tensor, nn

from brinell.models.architecture import Architecture
from brinell.models.normalized import IMAGENET_MEAN, IMAGENET_STD
from brinell.models.squeezenet import FIRES, Fire, classifier, initialize, pool


class _SqueezeNet(nn.Module):
    """Attribute names are torchvision's, so that its checkpoints load as they are."""

    def __init__(self, in_channels: int, classes: int, padding: int) -> None:
        super().__init__()
        fires = [Fire(64, 16, 64), *(Fire(*sizes) for sizes in FIRES[1:]), Fire(512, 64, 256)]
        first = nn.Conv2d(in_channels, 64, 3, stride=2)
        self.features = nn.Sequential(
            *(first, nn.ReLU(), pool()), *(*fires[:2], pool()), *(*fires[2:4], pool()), *fires[4:]
        )
        self.classifier = classifier(classes, padding)
        initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.features(x))
        return logits


class SqueezeNet11(Architecture):
    """1,235,496 parameters, 1,231,552 of them weights; images of 17 x 17 and more.

    The accuracy of SqueezeNet 1.0 at 2.4 times fewer multiply-accumulates: 349.15 million an image of 224 x 224.

    Examples:
        >>> import brinell
        >>> brinell.models.SqueezeNet11(classes=7).input_shape
        (3, 224, 224)
    """

    kind = "squeezenet1_1"

    classes: int = Field(1000, ge=1)
    """Number of logits."""
    in_channels: int = Field(3, ge=1)
    """Number of channels of the images."""
    size: int = Field(224, ge=17)
    """Default height and width of images in pixels; convolutional networks accept others."""
    mean: tuple[float, ...] = IMAGENET_MEAN
    """Mean that is subtracted from each channel; images are in [0, 1]."""
    std: tuple[float, ...] = IMAGENET_STD
    """Standard deviation that each channel is divided by."""
    classifier_padding: int = Field(0, ge=0, le=1)
    """Around the last, 1 x 1 convolution."""

    def network(self) -> nn.Module:
        """The bare network."""
        return _SqueezeNet(self.in_channels, self.classes, self.classifier_padding)
