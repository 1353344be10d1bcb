"""Class activation maps: against sums made by hand, and against the definition on real architectures."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from brinell.compressors import XNORNet
from brinell.core import UnsupportedError
from brinell.data import build
from brinell.models import build as build_model
from brinell.probes import ActivationMaps, ProbeInput
from brinell.probes.activation_maps import stretched
from brinell.probes.cam import CAM
from brinell.training import Train
from brinell.variants import Variant


class Pooled(nn.Module):
    """Two maps, the image and its negative; class 0 adds them up as (2, 1), class 1 as (-1, 3)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 1, bias=False)
        self.conv.weight.data = torch.tensor([1.0, -1.0]).view(2, 1, 1, 1)
        self.linear = nn.Linear(2, 2, bias=False)
        self.linear.weight.data = torch.tensor([[2.0, 1.0], [-1.0, 3.0]])

    def forward(self, images: Tensor) -> Tensor:
        return self.linear(self.conv(images).mean((2, 3)))


class Flat(nn.Module):
    """No pooling: the logits are the first map's corner, times 1 and -1."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 1, bias=False)
        self.conv.weight.data = torch.tensor([2.0, -1.0]).view(2, 1, 1, 1)
        self.linear = nn.Linear(8, 2, bias=False)
        self.linear.weight.data = torch.zeros(2, 8)
        self.linear.weight.data[:, 0] = torch.tensor([1.0, -1.0])

    def forward(self, images: Tensor) -> Tensor:
        return self.linear(self.conv(images).flatten(1))


IMAGE = torch.tensor([[0.1, 0.2], [0.3, 0.4]]).view(1, 1, 2, 2)


def test_cam_by_hand():
    """Means are 0.25 and -0.25; logits 0.25 and -1: class 0, whose map is 2 x - x = x."""
    looker = CAM.of(Pooled(), IMAGE)
    assert (looker.method, looker.layer) == ("cam", "conv")
    found = looker.look(IMAGE)
    assert found.predictions.tolist() == [0]
    assert torch.allclose(found.maps[0], IMAGE[0, 0])
    expected = torch.tensor([[0.0, 85.0], [170.0, 255.0]])
    assert torch.allclose(stretched(found.maps, (2, 2))[0], expected, atol=1e-3)


def test_grad_cam_by_hand():
    """The gradient of class 0 is 1 at the first map's corner: its mean is 1/4, so that the map is 2 x / 4."""
    looker = CAM.of(Flat(), IMAGE)
    assert (looker.method, looker.layer) == ("grad_cam", "conv")
    found = looker.look(IMAGE)
    assert found.predictions.tolist() == [0]
    assert torch.allclose(found.maps[0], IMAGE[0, 0] / 2)


def test_a_pooled_network_without_a_classifier_has_a_map_for_each_class():
    network = nn.Sequential(nn.Conv2d(1, 3, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    looker = CAM.of(network, torch.rand(4, 1, 5, 5))
    assert (looker.method, looker.layer) == ("cam", "0")
    images = torch.rand(2, 1, 5, 5)
    with torch.inference_mode():
        maps, best = network[0](images), network(images).argmax(1)
    assert torch.allclose(looker.look(images).maps, maps[torch.arange(2), best], atol=1e-6)


def test_maps_without_differences_are_zero():
    assert stretched(torch.full((1, 2, 2), 7.0), (4, 4)).tolist() == torch.zeros(1, 4, 4).tolist()


def test_a_network_without_maps_is_unsupported():
    with pytest.raises(UnsupportedError, match="no convolution whose maps"):
        CAM.of(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)), IMAGE)


@pytest.mark.parametrize("pooled", [True, False])
def test_a_relu_in_place_changes_no_map(pooled):
    """The maps of a layer are what it gave, whatever a later operation in place makes of that tensor."""

    def network(inplace):
        torch.manual_seed(0)
        ends = [nn.AdaptiveAvgPool2d(1)] if pooled else [nn.MaxPool2d(2)]
        width = 4 if pooled else 36
        return nn.Sequential(
            *(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace), nn.Conv2d(4, 4, 3), nn.ReLU(inplace)),
            *(*ends, nn.Flatten(), nn.Linear(width, 5)),
        ).eval()

    images = torch.rand(6, 1, 10, 10)
    plain, in_place = (CAM.of(network(inplace), images) for inplace in (False, True))
    assert (plain.method, plain.layer) == (in_place.method, in_place.layer)
    assert torch.equal(plain.look(images).maps, in_place.look(images).maps)


def test_hooks_are_taken_off():
    network = Pooled()
    CAM.of(network, IMAGE).look(IMAGE)
    assert not any(part._forward_hooks for part in network.modules())


@pytest.mark.parametrize(
    ("kind", "settings", "method"),
    [
        ("resnet8", {"width": 4}, "cam"),
        ("cifar_alexnet", {"width": 2, "hidden": 8, "size": 16, "in_channels": 1}, "grad_cam"),
    ],
)
def test_the_mean_of_a_cam_is_the_logit(kind, settings, method):
    """CAM is exact: over all pixels a class's map averages to its logit less the bias (Zhou, equation 2)."""
    shape = (1, 8, 8) if kind == "resnet8" else (1, 16, 16)
    mean = {"mean": (0.3,), "std": (0.4,)} if kind == "cifar_alexnet" else {}
    torch.manual_seed(0)
    network = build_model(kind, **settings, **mean)
    images = torch.rand(6, *shape)
    looker = CAM.of(network, images)
    assert looker.method == method
    found = looker.look(images)
    if method == "cam":
        with torch.inference_mode():
            logits = network(images).gather(1, found.predictions[:, None])[:, 0]
        bias = network.model.linear.bias[found.predictions]
        assert torch.allclose(found.maps.mean((1, 2)), logits - bias, atol=1e-4)
    else:
        assert (found.maps >= 0).all()


@pytest.mark.parametrize("binary", [False, True])
def test_the_record_and_its_pictures(binary):
    train, test = build("digits", split="train"), build("digits", split="test").take(12)
    module = build_model("resnet8", width=2)
    variant = Variant.of(module, input_shape=(1, 8, 8), classes=10)
    if binary:
        variant = XNORNet(train=Train(epochs=0)).compress(variant, train, seed=0)
    images, labels = test.tensors()
    asked = ProbeInput(variant, images, labels, test.ids)
    record, arrays = ActivationMaps(shown=3).ask(asked)
    assert [reading["steps"] for reading in record["readings"]] == [0, 1, 5]
    assert record["shown"] == {"example_id": int(test.ids[3]), "label": int(labels[3])}
    with torch.inference_mode():
        clean = variant.deployed()(images).argmax(1)
    assert record["readings"][0]["prediction"] == clean[3]
    assert set(arrays) == {"image", *(f"{name}_{steps}" for name in ("map", "adversarial") for steps in (0, 1, 5))}
    assert np.array_equal(arrays["adversarial_0"], arrays["image"])
    assert {array.dtype for array in arrays.values()} == {np.dtype(np.uint8)}
    assert {array.shape for name, array in arrays.items() if name.startswith("map")} == {(8, 8)}
    for reading in record["readings"]:
        assert reading["examples"] == 12
        assert reading["low"] <= reading["mean"] <= reading["high"]
        shown = arrays[f"map_{reading['steps']}"]
        assert shown.max() == 255
        assert reading["third_quartile"] == pytest.approx(np.percentile(shown, 75), abs=1.0)
