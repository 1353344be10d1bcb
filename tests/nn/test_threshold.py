"""Thresholded inputs: the same function as the binary layers they stand for, and only where that is so."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from brinell import models
from brinell.attacks.oracle import Oracle
from brinell.nn import ABCConv2d, BinaryConv2d, fold_batch_norms, threshold_binary
from brinell.nn.threshold import Threshold
from brinell.variants.structure import ABCLayers, BinaryLayers

CPU = torch.device("cpu")


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


def ask(module: nn.Module, images: Tensor) -> Tensor:
    with torch.inference_mode():
        return module(images.contiguous(memory_format=torch.channels_last))


OPTIONS = [
    {"kernel_size": 3, "padding": 1},
    {"kernel_size": 3, "padding": (0, 2), "stride": 2, "bias": False},
    {"kernel_size": (3, 1), "padding": (1, 0), "dilation": 2, "groups": 2},
    {"kernel_size": 1},
]


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("kind", ["xnor", "abc 1", "abc 3"])
def test_a_layer_computes_the_same(options: dict[str, Any], kind: str) -> None:
    torch.manual_seed(0)
    like = nn.Conv2d(6, 8, **options)
    layer = stir(BinaryConv2d(like) if kind == "xnor" else ABCConv2d(like, 2, int(kind[-1])))
    images = torch.randn(4, 6, 9, 7)
    changed = threshold_binary(nn.Sequential(layer))
    assert [type(part) for part in changed[0]] == [Threshold, nn.Conv2d]
    assert torch.allclose(ask(changed, images), ask(layer, images), atol=1e-5)
    assert torch.allclose(ask(changed, images[:, :, :8]), ask(layer, images[:, :, :8]), atol=1e-5)  # another size


@pytest.mark.parametrize("slope", [1.0, -1.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_an_input_at_its_threshold_is_above(slope: float, dtype: torch.dtype) -> None:
    layer = BinaryConv2d(nn.Conv2d(1, 1, 1, bias=False)).eval().requires_grad_(False)
    layer.norm.eps, layer.norm.weight.data, layer.norm.bias.data = 0.0, torch.tensor([slope]), torch.tensor([0.25])
    edge = -0.25 * slope
    around = torch.tensor([edge - 2**-9, edge, edge + 2**-9]).to(dtype)
    images = around.view(3, 1, 1, 1)
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        found, right = ask(threshold_binary(nn.Sequential(layer)), images), ask(layer, images)
    assert found.flatten().tolist() == right.flatten().tolist()
    assert right.flatten().tolist() == ([-1, 1, 1] if slope > 0 else [1, 1, -1])


def test_what_is_float_again_stays() -> None:
    like = nn.Conv2d(4, 4, 3)
    kept = nn.Sequential(BinaryConv2d(like, input_scale=True), like)
    assert threshold_binary(kept) is kept


@pytest.mark.parametrize("precision", ["float32", "bf16"])
@pytest.mark.parametrize("kind", ["xnor", "abc"])
def test_a_network_is_asked_through_thresholds(kind: str, precision: Any) -> None:
    torch.manual_seed(0)
    network = models.build("resnet20")
    layers = tuple(name for name, part in network.named_modules() if name.endswith(("conv1", "conv2")))[1:]
    change = (
        BinaryLayers(layers=layers)
        if kind == "xnor"
        else ABCLayers(layers=layers, weight_bases=2, activation_bases=3, scales="layer")
    )
    change.apply(network, latent=False)
    stir(network)
    oracle, images = Oracle(network, CPU, precision), torch.rand(64, 3, 32, 32)
    assert sum(isinstance(part, Threshold) for part in oracle.fused.modules()) == 18
    assert not any(isinstance(part, nn.BatchNorm2d | BinaryConv2d | ABCConv2d) for part in oracle.fused.modules())
    assert not any(isinstance(part, Threshold) for part in oracle.fast.modules())
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        expected = ask(fold_batch_norms(network), images).float()
    agree = (oracle.logits(images).argmax(1) == expected.argmax(1)).float().mean()
    assert agree > (0.95 if precision == "float32" else 0.6)
