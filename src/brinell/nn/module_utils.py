"""Putting modules in a state and back again, and swapping their parts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain

import torch
from torch import Tensor, nn


@contextmanager
def frozen_evaluation(*modules: nn.Module) -> Iterator[None]:
    """Evaluation mode without parameter gradients; each submodule's own mode and flag come back, whatever happens."""
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
    """Put `part` where the submodule `name` (dotted) is, and wherever else in `module` the same submodule is."""
    before = module.get_submodule(name)
    for parent in list(module.modules()):
        for child, found in list(parent._modules.items()):  # `named_children` leaves a second name out
            if found is before:
                setattr(parent, child, part)


def set_requires_grad(module: nn.Module, requires: bool) -> None:
    """Set the flag of every parameter; `Module.requires_grad_` is not there in scripted modules."""
    for parameter in module.parameters():
        parameter.requires_grad = requires


def set_layout(module: nn.Module, layout: torch.memory_format) -> nn.Module:
    """Lay the four-dimensional tensors out in memory in place (`Module.to` refuses others); their values stay."""
    for tensor in chain(module.parameters(), module.buffers()):
        if tensor.dim() == 4:
            tensor.data = tensor.data.contiguous(memory_format=layout)
    return module


def in_layout(images: Tensor, layout: torch.memory_format) -> Tensor:
    """`images` in memory as `layout` has it, also where a dimension of 1 leaves the strides open.

    Images of one channel count as contiguous in both layouts, and a convolution reads from the strides which one to
    go on in: `contiguous` alone would leave that to the way in which the images were made.
    """
    if layout == torch.channels_last and images.dim() == 4:
        last = images.permute(0, 2, 3, 1).contiguous()
        return last.flatten().view(last.shape).permute(0, 3, 1, 2)
    return images.contiguous().flatten().view(images.shape)
