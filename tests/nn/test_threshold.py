"""Thresholded inputs: the same function as the binary layers they stand for, and only where that is so."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from brinell import models
from brinell.attacks.harness.oracle import Oracle
from brinell.nn import ABCConv2d, BinaryConv2d, fold_batch_norms, threshold_binary
from brinell.nn.binary_layers.threshold import Threshold
from brinell.variants.structure import ABCLayers, BinaryLayers
from nn.stirred import stir

CPU = torch.device("cpu")


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
    agree = (oracle.logits(images).argmax(1) == ask(fold_batch_norms(network), images).argmax(1)).float().mean()
    assert agree > 0.95
    scores, gradients = (oracle.network.form(role, images, precision) for role in ("scores", "gradients"))
    assert sum(isinstance(part, Threshold) for part in scores.network.modules()) == 18
    assert not any(isinstance(part, nn.BatchNorm2d | BinaryConv2d | ABCConv2d) for part in scores.network.modules())
    assert not any(isinstance(part, Threshold) for part in gradients.network.modules())
    assert not scores.bf16, "bfloat16 turns signs over"
    assert not gradients.bf16
    assert any("bfloat16: rounding changes" in reason for reason in oracle.network.rejected) is (precision == "bf16")
