"""Slope and offset instead of four numbers a channel: the same function, to the bit."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from brinell.models import build
from brinell.nn import deploy
from brinell.nn.fold_statistics import fold_statistics
from brinell.variants import ABCLayers, BinaryLayers, rebuild


def norm(channels: int, eps: float = 1e-5) -> nn.BatchNorm2d:
    draw = torch.Generator().manual_seed(channels)
    made = nn.BatchNorm2d(channels, eps=eps).eval().requires_grad_(False)
    made.running_mean.normal_(0, 2, generator=draw)
    made.running_var.uniform_(1e-3, 9, generator=draw)
    made.weight.normal_(generator=draw)
    made.bias.normal_(generator=draw)
    return made


@pytest.mark.parametrize("eps", [1e-5, 1e-3, 2e-5])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_outputs_are_equal_to_the_bit(eps: float, layout: torch.memory_format) -> None:
    before = norm(101, eps)
    after = norm(101, eps)
    fold_statistics(after)
    for shape in ((1, 101, 1, 1), (3, 101, 7, 5), (2, 101, 16, 16)):
        x = (3 * torch.randn(shape, generator=torch.Generator().manual_seed(1))).contiguous(memory_format=layout)
        assert torch.equal(after(x), before(x))
    again = {name: tensor.clone() for name, tensor in after.state_dict().items()}
    fold_statistics(after)
    assert all(torch.equal(tensor, again[name]) for name, tensor in after.state_dict().items())


@pytest.mark.parametrize("kind", ["xnor", "abc"])
def test_a_binary_network_ships_slopes_and_offsets(kind: str) -> None:
    torch.manual_seed(0)
    module = build("resnet8")
    layers = tuple(name for name, part in module.named_modules() if isinstance(part, nn.Conv2d))[1:]
    change = (
        BinaryLayers(layers=layers)
        if kind == "xnor"
        else ABCLayers(layers=layers, weight_bases=2, activation_bases=2, scales="filter")
    )
    module = rebuild(module, [change], latent=True)
    module.train()(torch.rand(32, 1, 8, 8))
    shipped, images = deploy(module.eval()), torch.rand(9, 1, 8, 8)
    assert torch.equal(shipped(images), module(images))
    norms = [part for part in shipped.modules() if isinstance(part, nn.BatchNorm2d)]
    assert len(norms) == 7 + 6
    assert all(not part.running_mean.any() and part.num_batches_tracked == 0 for part in norms)
    assert any(part.running_mean.any() for part in module.modules() if isinstance(part, nn.BatchNorm2d))


def test_a_float_network_keeps_its_statistics_for_training() -> None:
    module = build("resnet8")
    module.train()(torch.rand(32, 1, 8, 8))
    shipped = deploy(module)
    assert torch.equal(shipped.model.bn1.running_mean, module.model.bn1.running_mean)
