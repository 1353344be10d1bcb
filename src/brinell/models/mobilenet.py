"""MobileNet v1 (Howard 2017): depthwise convolutions, each followed by one of 1 x 1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, ClassVar, Final, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from brinell.core import Fraction, OmitDefaultFromKey
from brinell.models.architecture import Architecture
from brinell.models.normalized import IMAGENET_MEAN, IMAGENET_STD

_BLOCKS = (
    *((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)),
    *([(512, 1)] * 5),
    *((1024, 2), (1024, 1)),
)
"""Channels out and stride of each depthwise block (table 1; its last stride of 2 is a misprint, for 7 x 7 stays)."""

_ACTIVATIONS: Final[dict[str, Callable[[Tensor], Tensor]]] = {"relu": torch.relu, "relu6": F.relu6}

Activation = Literal["relu", "relu6"]
Padding = Literal["symmetric", "tensorflow"]


class _SamePadding(nn.Module):
    """TensorFlow's padding `SAME` of a 3 x 3 window: an odd rest goes to the bottom and the right."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        (top, bottom), (left, right) = (_same_padding(side, self.stride) for side in x.shape[-2:])
        return F.pad(x, (left, right, top, bottom))


def _same_padding(side: int, stride: int) -> tuple[int, int]:
    total = max((-(-side // stride) - 1) * stride + 3 - side, 0)
    return total // 2, total - total // 2


def _convolution(inputs: int, outputs: int, stride: int, padding: Padding, groups: int = 1) -> list[nn.Module]:
    """What pads, and a convolution of 3 x 3 without bias."""
    symmetric = padding == "symmetric"
    layer = nn.Conv2d(inputs, outputs, 3, stride, padding=int(symmetric), groups=groups, bias=False)
    return [nn.Identity() if symmetric else _SamePadding(stride), layer]


class _Block(nn.Module):
    def __init__(
        self, inputs: int, outputs: int, stride: int, activation: Activation, padding: Padding, epsilon: float
    ) -> None:
        super().__init__()
        self.pad, self.depthwise = _convolution(inputs, inputs, stride, padding, groups=inputs)
        self.bn1 = nn.BatchNorm2d(inputs, eps=epsilon)
        self.pointwise = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs, eps=epsilon)
        self.activation = _ACTIVATIONS[activation]

    def forward(self, x: Tensor) -> Tensor:
        out = self.activation(self.bn1(self.depthwise(self.pad(x))))
        return self.activation(self.bn2(self.pointwise(out)))


class MobileNet(nn.Module):
    """The bare network; `first_stride` is that of the convolution before the blocks."""

    def __init__(
        self,
        in_channels: int,
        classes: int,
        multiplier: float,
        *,
        first_stride: int = 2,
        activation: Activation = "relu",
        padding: Padding = "symmetric",
        epsilon: float = 1e-5,
    ) -> None:
        super().__init__()
        widths = [max(1, round(multiplier * width)) for width, _ in _BLOCKS]
        first = max(1, round(multiplier * 32))
        self.pad, self.conv1 = _convolution(in_channels, first, first_stride, padding)
        self.bn1 = nn.BatchNorm2d(first, eps=epsilon)
        self.activation = _ACTIVATIONS[activation]
        strides = [stride for _, stride in _BLOCKS]
        shapes = zip([first, *widths], widths, strides, strict=False)
        self.blocks = nn.Sequential(*(_Block(*shape, activation, padding, epsilon) for shape in shapes))
        self.dropout = nn.Dropout(0.001)  # of the published network
        self.fc = nn.Linear(widths[-1], classes)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Normalised images to logits."""
        out = self.blocks(self.activation(self.bn1(self.conv1(self.pad(x)))))
        logits: Tensor = self.fc(self.dropout(out.mean((2, 3))))
        return logits


class MobileNetV1(Architecture):
    """4,231,976 parameters, 4,209,088 of them weights, 568.74 million multiply-accumulates an image of 224 x 224.

    Google's published weights need `activation: relu6`, `padding: tensorflow`, `batch_norm_epsilon: 0.001`, and `mean`
    and `std` of 0.5. TensorFlow pads only the bottom and the right where a stride of 2 meets an even size.

    Examples:
        >>> import brinell
        >>> brinell.models.MobileNetV1(classes=7).input_shape
        (3, 224, 224)
    """

    kind = "mobilenet_v1"
    published_names: ClassVar = {
        "stem": "conv1",
        "stem_bn": "bn1",
        "depthwise_bn": "bn1",
        "pointwise_bn": "bn2",
        "head": "fc",
    }

    classes: int = Field(1000, ge=1)
    """Number of logits."""
    in_channels: int = Field(3, ge=1)
    """Number of channels of the images."""
    size: int = Field(224, ge=1)
    """Default height and width of images in pixels; convolutional networks accept others."""
    multiplier: Fraction = Field(1.0, gt=0, le=4)
    """Factor of all widths: the paper's alpha, 1, 0.75, 0.5 or 0.25."""
    mean: tuple[float, ...] = IMAGENET_MEAN
    """Mean that is subtracted from each channel; images are in [0, 1]."""
    std: tuple[float, ...] = IMAGENET_STD
    """Standard deviation that each channel is divided by."""
    activation: Annotated[Activation, OmitDefaultFromKey()] = "relu"
    """Activation after each convolution."""
    padding: Annotated[Padding, OmitDefaultFromKey()] = "symmetric"
    """Padding of strided convolutions: `symmetric` as in PyTorch, or `tensorflow`."""
    batch_norm_epsilon: Annotated[float, OmitDefaultFromKey()] = Field(1e-5, gt=0, le=1)
    """Constant added to the variance in batch norms."""

    def network(self) -> nn.Module:
        """The bare network."""
        return MobileNet(
            self.in_channels,
            self.classes,
            self.multiplier,
            activation=self.activation,
            padding=self.padding,
            epsilon=self.batch_norm_epsilon,
        )
