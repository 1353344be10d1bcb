"""Networks as training leaves them, without training."""

from __future__ import annotations

import torch
from torch import nn

from brinell.nn import ABCConv2d, BinaryConv2d


def stir(module: nn.Module) -> nn.Module:
    """Statistics, scales and bits of their own; norms that rise, fall and stay."""
    generator = torch.Generator().manual_seed(0)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.3, generator=generator)
            part.running_var.uniform_(0.5, 2, generator=generator)
            part.weight.data.normal_(0, 1, generator=generator)
            part.bias.data.normal_(0, 0.5, generator=generator)
            part.weight.data[::5] = 0
        if isinstance(part, BinaryConv2d):
            part.weight.copy_(torch.randn(part.weight.shape, generator=generator).sign())
            part.scale.uniform_(0.1, 1, generator=generator)
        if isinstance(part, ABCConv2d):
            part.bits.copy_(torch.randn(part.bits.shape, generator=generator).sign())
            part.alphas.uniform_(0.1, 1, generator=generator)
            part.shifts.data.normal_(0, 1, generator=generator)
            part.heights.data.normal_(0, 1, generator=generator)
    return module.eval().requires_grad_(False)
