"""Narrower layers: some input and output channels kept, in place."""

from __future__ import annotations

from typing import Final

from torch import Tensor, nn

Index = Tensor | slice
"""Which channels stay: their places, or a slice of them."""

SLICEABLE: Final = (nn.Conv2d, nn.Linear, nn.BatchNorm1d, nn.BatchNorm2d)
"""Layers that can be made narrower. A convolution must have one group, or as many as channels (depthwise)."""


def widths(layer: nn.Module) -> tuple[int, int]:
    """Input and output channels of a layer of `SLICEABLE`.

    Args:
        layer: Of `SLICEABLE`.

    Returns:
        Equal for a batch norm.

    Raises:
        TypeError: It is another layer.

    Examples:
        >>> from torch import nn
        >>> widths(nn.Conv2d(4, 6, 3))
        (4, 6)
    """
    if isinstance(layer, nn.Conv2d):
        return layer.in_channels, layer.out_channels
    if isinstance(layer, nn.Linear):
        return layer.in_features, layer.out_features
    if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)):
        return layer.num_features, layer.num_features
    raise TypeError(f"{type(layer).__name__} has no channels that could be removed")


def depthwise(layer: nn.Module) -> bool:
    """Whether it is a convolution of each channel by itself.

    Args:
        layer: Of any class.

    Returns:
        Whether removing an output channel removes the input channel of the same index.

    Examples:
        >>> from torch import nn
        >>> depthwise(nn.Conv2d(4, 4, 3, groups=4)), depthwise(nn.Conv2d(4, 4, 3, groups=2))
        (True, False)
    """
    return isinstance(layer, nn.Conv2d) and layer.groups > 1 and layer.groups == layer.in_channels == layer.out_channels


def slice_channels(layer: nn.Module, inputs: Index, outputs: Index) -> None:
    """Keep these input and output channels of a layer of `SLICEABLE`, in place, with their values.

    The input channels of a depthwise convolution or a batch norm are its output channels: `inputs` is not looked at.

    Args:
        layer: Changed in place.
        inputs: Indices of input channels, or a slice.
        outputs: The same of output channels.

    Examples:
        >>> from torch import nn
        >>> layer = nn.Conv2d(4, 6, 3)
        >>> slice_channels(layer, slice(0, 2), slice(0, 3))
        >>> layer.weight.shape
        torch.Size([3, 2, 3, 3])
    """
    if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)):
        for name in ("weight", "bias"):
            _keep(layer, name, outputs)
        if layer.running_mean is not None and layer.running_var is not None:
            layer.running_mean = layer.running_mean[outputs].clone()
            layer.running_var = layer.running_var[outputs].clone()
            layer.num_features = len(layer.running_mean)
        else:
            layer.num_features = len(layer.weight)
        return
    own = depthwise(layer)
    _keep(layer, "weight", outputs, None if own else inputs)
    _keep(layer, "bias", outputs)
    if isinstance(layer, nn.Linear):
        layer.out_features, layer.in_features = layer.weight.shape
    elif isinstance(layer, nn.Conv2d):
        layer.out_channels = len(layer.weight)
        layer.in_channels = layer.out_channels if own else layer.weight.shape[1]
        layer.groups = layer.out_channels if own else 1


def _keep(layer: nn.Module, name: str, rows: Index, columns: Index | None = None) -> None:
    tensor = getattr(layer, name)
    if tensor is None:
        return
    kept = tensor.detach()[rows]
    kept = kept if columns is None else kept[:, columns]
    setattr(layer, name, nn.Parameter(kept.clone(), requires_grad=tensor.requires_grad))
