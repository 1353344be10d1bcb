"""What all binary convolutions share: the shape of a float one, a batch norm before, a stand-in for sign's gradient."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import nn


class BinaryLayer(nn.Module):
    """A convolution of +-1 by +-1 with `weight_bases` binary weights and `activation_bases` binary inputs.

    A padded cell contributes nothing to the sum, in training and in deployment alike: a packed kernel gives it a bit
    and then takes that bit's contribution off again at the border.
    """

    surrogate: str = "clip"
    """Whose derivative replaces sign's where a gradient is asked for; a `Variant`'s view sets it."""
    weight_bases: int = 1
    activation_bases: int = 1
    weight_tensors: ClassVar[tuple[str, ...]] = ()
    """Names of the tensors, in training and deployed, that stand for the float convolution's weight."""

    def __init__(self, like: nn.Conv2d) -> None:
        super().__init__()
        padding = numeric_padding(like)
        if padding is None:
            raise ValueError("binary convolutions pad with zeros, equally on both sides")
        self.options: dict[str, Any] = {
            "stride": like.stride,
            "padding": padding,
            "dilation": like.dilation,
            "groups": like.groups,
        }
        self.kernel_size: tuple[int, int] = (like.kernel_size[0], like.kernel_size[1])
        self.in_channels, self.out_channels = like.in_channels, like.out_channels
        self.norm = nn.BatchNorm2d(like.in_channels)
        self.bias = None if like.bias is None else nn.Parameter(like.bias.detach().clone())

    @property
    def weight_shape(self) -> tuple[int, int, int, int]:
        """Of the float convolution whose place this layer takes: (out, in / groups, height, width)."""
        return (self.out_channels, self.in_channels // self.options["groups"], *self.kernel_size)

    def like(self) -> nn.Conv2d:
        """A float convolution of the same shape, with this one's bias and without initial weights."""
        # Drawing weights would move the global random state.
        convolution: nn.Conv2d = nn.utils.skip_init(
            nn.Conv2d,
            self.in_channels,
            self.out_channels,
            self.kernel_size,
            bias=self.bias is not None,
            **self.options,
        )
        if self.bias is not None and convolution.bias is not None:
            convolution.bias.data.copy_(self.bias.detach())
        return convolution


def numeric_padding(convolution: nn.Conv2d) -> tuple[int, int] | None:
    """Zeros on either side of the height and the width; `None` where it pads otherwise.

    Args:
        convolution: With any padding.

    Returns:
        Rows above and below, columns left and right.

    Examples:
        >>> from torch import nn
        >>> numeric_padding(nn.Conv2d(1, 1, 3, padding="same")), numeric_padding(nn.Conv2d(1, 1, 2, padding="same"))
        ((1, 1), None)
    """
    if convolution.padding_mode != "zeros":
        return None
    if convolution.padding == "valid":
        return (0, 0)
    if isinstance(convolution.padding, str):  # "same": with an even window one zero more on one side
        height, width = (
            dilation * (size - 1) for dilation, size in zip(convolution.dilation, convolution.kernel_size, strict=True)
        )
        return None if height % 2 or width % 2 else (height // 2, width // 2)
    return (convolution.padding[0], convolution.padding[1])
