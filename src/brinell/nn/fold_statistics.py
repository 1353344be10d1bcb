"""Batch norms with their statistics folded into slope and offset: two numbers a channel instead of four, bit-equal."""

from __future__ import annotations

import copy

import torch
from torch import nn

from brinell.nn.binary_layers.binary_layer import BinaryLayer


def fold_network_statistics(module: nn.Module) -> None:
    """Fold all batch norms of a deployed binary network in place; other networks are left as they are.

    A binary network trains from its latent weights, which keep their own statistics. Others train from what ships.
    """
    if any(isinstance(part, BinaryLayer) for part in module.modules()):
        for part in module.modules():
            if type(part) is nn.BatchNorm2d and part.affine and part.running_var is not None:
                fold_statistics(part)


@torch.no_grad()
def fold_statistics(norm: nn.BatchNorm2d) -> None:
    """Put mean and variance into weight and bias, in place; in evaluation mode outputs stay bit-equal.

    PyTorch computes `x * slope + offset` in evaluation mode, with one slope and one offset a channel. These are read
    off the norm itself, so that they are rounded as it rounds them. The mean becomes 0, and the variance what makes the
    deviation exactly 1.
    """
    if norm.running_mean is None or norm.running_var is None or norm.num_batches_tracked is None:
        return
    ones = norm.weight.new_ones(1, norm.num_features, 1, 1)
    linear = copy.deepcopy(norm).eval()
    offset = linear(0 * ones).flatten()
    linear.bias.zero_()
    linear.running_mean = torch.zeros_like(norm.running_mean)
    slope = linear(ones).flatten()
    norm.weight.copy_(slope)
    norm.bias.copy_(offset)
    for statistic, value in ((norm.running_mean, 0), (norm.running_var, 1 - norm.eps), (norm.num_batches_tracked, 0)):
        statistic.fill_(value)
