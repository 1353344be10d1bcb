"""Putting modules in a state and back again, and swapping their parts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain

import torch
from torch import Tensor, nn


@contextmanager
def frozen_evaluation(*modules: nn.Module) -> Iterator[None]:
    """Evaluation mode without parameter gradients; each submodule's own mode and flag come back, whatever happens.

    Args:
        modules: Changed in place until the block is left.

    Returns:
        A block.

    Examples:
        >>> from torch import nn
        >>> network = nn.Dropout()
        >>> with frozen_evaluation(network):
        ...     network.training
        False
        >>> network.training
        True
    """
    training = [part for module in modules for part in module.modules() if getattr(part, "training", False)]
    trained = [value for module in modules for value in module.parameters() if value.requires_grad]
    try:
        for part in training:
            part.training = False
        for parameter in trained:
            parameter.requires_grad = False
        yield
    finally:
        for part in training:
            part.training = True
        for parameter in trained:
            parameter.requires_grad = True


def replace(module: nn.Module, name: str, part: nn.Module) -> None:
    """Put `part` where the submodule `name` (dotted) is, and wherever else in `module` the same submodule is.

    Args:
        module: Changed in place.
        name: Dotted; the module itself has none.
        part: What is put there.

    Examples:
        >>> from torch import nn
        >>> network = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
        >>> replace(network, "1", nn.Tanh())
        >>> network[1]
        Tanh()
    """
    before = module.get_submodule(name)
    for parent in list(module.modules()):
        for child, found in list(parent._modules.items()):  # `named_children` leaves a second name out
            if found is before:
                setattr(parent, child, part)


def set_requires_grad(module: nn.Module, requires: bool) -> None:
    """Set the flag of every parameter; `Module.requires_grad_` is not there in scripted modules.

    Args:
        module: Changed in place; also a scripted one.
        requires: The flag.

    Examples:
        >>> from torch import nn
        >>> layer = nn.Linear(2, 2)
        >>> set_requires_grad(layer, False)
        >>> layer.weight.requires_grad
        False
    """
    for parameter in module.parameters():
        parameter.requires_grad = requires


def set_layout(module: nn.Module, layout: torch.memory_format) -> nn.Module:
    """Lay the four-dimensional tensors out in memory in place (`Module.to` refuses others); their values stay.

    Args:
        module: Changed in place.
        layout: `torch.channels_last` or `torch.contiguous_format`.

    Returns:
        `module`.

    Examples:
        >>> import torch
        >>> from torch import nn
        >>> set_layout(nn.Conv2d(3, 2, 3), torch.channels_last).weight.stride()
        (27, 1, 9, 3)
    """
    for tensor in chain(module.parameters(), module.buffers()):
        if tensor.dim() == 4:
            tensor.data = tensor.data.contiguous(memory_format=layout)
    return module


def in_layout(images: Tensor, layout: torch.memory_format) -> Tensor:
    """`images` in memory as `layout` has it, also where a dimension of 1 leaves the strides open.

    Images of one channel count as contiguous in both layouts, and a convolution reads from the strides which one to
    go on in: `contiguous` alone would leave that to the way in which the images were made.

    Args:
        images: `(N, C, H, W)`, or of other dimensions, which are laid out in order.
        layout: `torch.channels_last` or `torch.contiguous_format`.

    Returns:
        The same values; a copy where they lay otherwise.

    Examples:
        >>> import torch
        >>> in_layout(torch.zeros(2, 3, 4, 4), torch.channels_last).stride()
        (48, 1, 12, 3)
    """
    if layout == torch.channels_last and images.dim() == 4:
        last = images.permute(0, 2, 3, 1).contiguous()
        return last.flatten().view(last.shape).permute(0, 3, 1, 2)
    return images.contiguous().flatten().view(images.shape)
