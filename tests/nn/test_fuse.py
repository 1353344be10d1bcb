"""Fused convolutions: the same function as the layers they stand for, and only where that is so."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from brinell import models
from brinell.nn import fold_batch_norms, fuse_relu
from brinell.nn.fuse import FusedConv2d, can_fuse

pytestmark = pytest.mark.skipif(not can_fuse(), reason="this PyTorch has no fused convolution")


def traced(module: nn.Module) -> nn.Module:
    return fold_batch_norms(module.eval().requires_grad_(False))


def fused_layers(module: nn.Module) -> int:
    return sum(isinstance(part, FusedConv2d) for part in module.modules())


def ask(module: nn.Module, images: Tensor) -> Tensor:
    with torch.inference_mode():
        return module(images.contiguous(memory_format=torch.channels_last))


def test_all_convolutions_of_a_residual_network_are_fused_and_compute_the_same() -> None:
    torch.manual_seed(0)
    network = models.build("resnet20").eval()
    for layer in network.modules():  # statistics of their own, so that folding has something to do
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.1)
            layer.running_var.uniform_(0.5, 2)
    images = torch.rand(5, 3, 32, 32)
    fused = fuse_relu(traced(network), torch.float32)
    assert fused_layers(fused) == 19
    assert not any(type(part) is nn.Conv2d for part in fused.modules())
    assert torch.allclose(ask(fused, images), ask(network, images), atol=1e-4)


@pytest.mark.skipif(not can_fuse(torch.bfloat16), reason="this processor does not fuse bfloat16")
def test_bfloat16_weights_compute_in_bfloat16() -> None:
    torch.manual_seed(0)
    network = traced(nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU()))
    images = torch.rand(2, 3, 8, 8)
    fused = ask(fuse_relu(network, torch.bfloat16), images)
    assert fused.dtype == torch.bfloat16
    assert torch.allclose(fused.float(), ask(network, images), atol=0.02)


class Sum(nn.Module):
    """A sum on either side of the convolution, whose other part may have to be broadcast."""

    def __init__(self, *, first: bool, channels: int) -> None:
        super().__init__()
        self.one = nn.Conv2d(3, 4, 3, stride=2, padding=2, dilation=2)
        self.other = nn.Conv2d(3, channels, 1, stride=2)
        self.first = first

    def forward(self, x: Tensor) -> Tensor:
        other = self.other(x).mean((2, 3), keepdim=True) if self.other.out_channels == 1 else self.other(x).tanh()
        return F.relu(self.one(x) + other if self.first else other + self.one(x))


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("channels", [1, 4])
def test_sums_are_fused_on_either_side_and_broadcast(first: bool, channels: int) -> None:
    torch.manual_seed(0)
    network = traced(Sum(first=first, channels=channels))
    fused = fuse_relu(network, torch.float32)
    assert fused_layers(fused) == 1
    images = torch.rand(3, 3, 9, 9)
    assert torch.allclose(ask(fused, images), ask(network, images), atol=1e-6)


class Twice(nn.Module):
    """A convolution whose result is used again after the relu, or before it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        once = self.conv(x)
        return F.relu(once) + once


def test_a_result_that_is_used_again_is_not_fused_away() -> None:
    network = traced(Twice())
    fused = fuse_relu(network, torch.float32)
    assert fused_layers(fused) == 0
    images = torch.rand(2, 3, 5, 5)
    assert torch.equal(ask(fused, images), ask(network, images))


def test_other_paddings_and_activations_stay_as_they_are() -> None:
    layers = [nn.Conv2d(3, 3, 3, padding="same"), nn.ReLU(), nn.Conv2d(3, 3, 3, padding=1, padding_mode="reflect")]
    network = traced(nn.Sequential(*layers, nn.ReLU(), nn.Conv2d(3, 3, 1), nn.ReLU6()))
    assert fused_layers(fuse_relu(network, torch.float32)) == 0


def test_what_was_not_traced_comes_back_as_it_is() -> None:
    layer = nn.Conv2d(3, 3, 1)
    assert fuse_relu(layer, torch.float32) is layer
