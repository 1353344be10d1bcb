"""XNOR-Net: what ships computes exactly what was trained."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from brinell import costs
from brinell.compressors import XNORNet
from brinell.core import ConfigurationError, ModelError
from brinell.data import Dataset
from brinell.models import MODELS
from brinell.nn import BinaryConv2d, LatentBinaryConv2d, xnor_weight
from brinell.training import Train, accuracy, fit
from brinell.variants import BinaryLayers, Variant

QUICK = Train(epochs=2, batch_size=50, learning_rate=0.01, optimizer="adamw", weight_decay=0)


@pytest.fixture(scope="module")
def binary(baseline: Variant, sample: Dataset) -> Variant:
    return XNORNet(train=QUICK).compress(baseline, sample, seed=0)


def test_first_and_last_layer_stay_float_and_the_others_ship_bits(binary: Variant) -> None:
    module = binary.deployed()
    kinds = {
        name: type(layer) for name, layer in module.named_modules() if isinstance(layer, (nn.Conv2d, BinaryConv2d))
    }
    assert [name for name, kind in kinds.items() if kind is nn.Conv2d] == ["model.conv1"]
    bits = [layer for layer in module.modules() if isinstance(layer, BinaryConv2d)]
    assert len(bits) == 6
    for layer in bits:
        assert set(layer.weight.unique().tolist()) == {-1.0, 1.0}
        assert layer.scale.shape == (layer.out_channels,)
        assert (layer.scale > 0).all()
    assert isinstance(module.get_submodule("model.linear"), nn.Linear)
    (change,) = binary.structure
    assert isinstance(change, BinaryLayers)
    assert len(change.layers) == 6


def test_the_deployed_logits_are_the_trained_ones_bit_for_bit(binary: Variant, sample: Dataset) -> None:
    images, _ = sample.tensors()
    trained = binary.trainable().eval()
    assert any(isinstance(layer, LatentBinaryConv2d) for layer in trained.modules())
    with torch.no_grad():
        assert torch.equal(binary.deployed()(images), trained(images))


def test_latent_weights_are_kept_in_range_and_training_goes_on_from_them(binary: Variant, sample: Dataset) -> None:
    module = binary.trainable()
    latent = [layer for layer in module.modules() if isinstance(layer, LatentBinaryConv2d)]
    for layer in latent:
        assert layer.weight.abs().max() <= 1
        assert len(layer.weight.unique()) > 100
        inside = (layer.weight.abs() < 1).all(1)
        assert inside.any()
        assert layer.weight.mean(1)[inside].abs().max() < 1e-6  # centred after every step
    before = accuracy(binary.deployed(), sample)
    further = XNORNet(train=QUICK)
    with pytest.raises(ModelError, match="no convolution is left to make binary"):
        further.compress(binary, sample, seed=1)
    fit(module, sample, QUICK, seed=1)
    assert accuracy(module, sample) > before - 0.1


def test_it_learns(baseline: Variant, sample: Dataset) -> None:
    child = XNORNet(train=QUICK.model_copy(update={"epochs": 12})).compress(baseline, sample, seed=0)
    assert accuracy(child.deployed(), sample) > 0.5  # with 4 channels; chance is 0.1


def test_the_weights_gradient_is_that_of_scale_times_straight_through_sign() -> None:
    generator = torch.Generator().manual_seed(0)
    weight = (torch.randn(3, 2, 3, 3, generator=generator) * 0.8).requires_grad_()
    images, pull = torch.randn(2, 2, 5, 5, generator=generator), torch.randn(2, 3, 5, 5, generator=generator)

    def gradient(bits: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        out = F.conv2d(images, bits, padding=1) * scale.view(-1, 1, 1)
        return torch.autograd.grad((out * pull).sum(), weight)[0]

    clipped = weight.clamp(-1, 1)
    straight = clipped + (weight.sign() - clipped).detach()
    expected = gradient(straight, weight.abs().flatten(1).mean(1))
    torch.testing.assert_close(gradient(*xnor_weight(weight)), expected)
    # and that by hand: G * scale * 1{|W| <= 1} + sign(W) / n * sum over the filter of G * sign(W)
    product = (weight.sign() * weight.abs().flatten(1).mean(1).view(-1, 1, 1, 1)).detach().requires_grad_()
    (flow,) = torch.autograd.grad((F.conv2d(images, product, padding=1) * pull).sum(), product)
    scale = weight.detach().abs().flatten(1).mean(1).view(-1, 1, 1, 1)
    shared = (flow * weight.sign()).flatten(1).sum(1).view(-1, 1, 1, 1) / weight[0].numel()
    by_hand = flow * scale * (weight.abs() <= 1) + weight.sign() * shared
    torch.testing.assert_close(gradient(*xnor_weight(weight)), by_hand.detach())


def test_settling_centres_and_clips() -> None:
    layer = LatentBinaryConv2d.of(nn.Conv2d(4, 2, 3))
    with torch.no_grad():
        layer.weight.normal_(1, 2, generator=torch.Generator().manual_seed(0))
    centred = layer.weight.detach() - layer.weight.detach().mean(1, keepdim=True)
    layer.settle()
    torch.testing.assert_close(layer.weight.detach(), centred.clamp(-1, 1))


def test_layers_may_be_left_float_by_name(baseline: Variant, sample: Dataset) -> None:
    child = XNORNet(float_layers=("model.layer2.0.conv1",), train=QUICK).compress(baseline, sample, seed=0)
    assert isinstance(child.deployed().get_submodule("model.layer2.0.conv1"), nn.Conv2d)
    assert child.lineage[-1].figures["binary_layers"] == 5
    with pytest.raises(ConfigurationError, match=r"'layer9' is not a convolution of this model; it has model\.conv1,"):
        XNORNet(float_layers=("layer9",)).compress(baseline, sample, seed=0)


def test_the_figures_are_those_of_the_cost_model(binary: Variant) -> None:
    figures, counted = binary.lineage[-1].figures, costs.measure(binary)
    assert figures["binary_weights"] + figures["float_weights"] == counted.weights
    assert counted.xnor_ops > 0


def test_a_model_without_a_second_convolution_is_refused(sample: Dataset) -> None:
    small = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, 10))
    with pytest.raises(ModelError, match="no convolution is left"):
        XNORNet().compress(Variant.of(small, input_shape=(1, 8, 8), classes=10), sample, seed=0)


def test_only_networks_with_depthwise_convolutions_have_the_later_revision() -> None:
    """Their filters were set to zero before; the results of others, and so their keys, stay."""
    compressor = XNORNet()
    for kind, revision in (("resnet20", 1), ("resnet18", 1), ("mobilenet_v1", 2), ("alexnet", 1)):
        assert compressor.identity_for(MODELS[kind]())["revision"] == revision, kind
    assert compressor.identity()["revision"] == 1


@pytest.mark.filterwarnings("ignore:xnor_net covers")
def test_layers_may_be_left_float_by_pattern(baseline: Variant, sample: Dataset) -> None:
    child = XNORNet(float_layers=("*.conv1", "model.layer3.*"), train=QUICK).compress(baseline, sample, seed=0)
    (change,) = child.structure
    assert isinstance(change, BinaryLayers)
    assert change.layers == ("model.layer1.0.conv2", "model.layer2.0.conv2")
    with pytest.raises(ConfigurationError, match=r"'\*.conv9' is not a convolution of this model"):
        XNORNet(float_layers=("*.conv9",)).compress(baseline, sample, seed=0)


def test_the_options_reach_the_layers_and_change_what_is_learnt(baseline: Variant, sample: Dataset) -> None:
    images, _ = sample.tensors()
    learnt = []
    for fields in ({}, {"gradient": "paper"}, {"gradient": "clip"}, {"input_scale": True}):
        child = XNORNet.parse({**fields, "train": QUICK}).compress(baseline, sample, seed=0)
        layer = child.trainable().get_submodule("model.layer1.0.conv1")
        assert isinstance(layer, LatentBinaryConv2d)
        assert (layer.gradient, layer.input_scale) == (
            fields.get("gradient", "product"),
            fields.get("input_scale", False),
        )
        with torch.no_grad():
            assert torch.equal(child.deployed()(images), child.trainable().eval()(images))
        learnt.append(child(images))
    assert all(not torch.equal(learnt[0], other) for other in learnt[1:])


def test_the_options_leave_old_keys_where_they_were() -> None:
    assert {"input_scale", "gradient"} & XNORNet().identity().keys() == set()
    assert XNORNet(input_scale=True).key != XNORNet().key
