"""SqueezeNet 1.0 and 1.1: torchvision's names and sizes, rounding up, and colours in the order it was trained on."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn import functional

from brinell import costs
from brinell.data import ImageNet
from brinell.models import MODELS, build


def test_names_and_counts_are_torchvisions() -> None:
    module = build("squeezenet1_0")
    shapes = {name: tuple(tensor.shape) for name, tensor in module.model.state_dict().items()}
    assert len(shapes) == 52
    assert shapes["features.0.weight"] == (96, 3, 7, 7)
    assert shapes["features.3.squeeze.weight"] == (16, 96, 1, 1)
    assert shapes["features.12.expand3x3.bias"] == (256,)
    assert shapes["classifier.1.weight"] == (1000, 512, 1, 1)
    assert sum(parameter.numel() for parameter in module.parameters()) == 1_248_424


def test_revision_1_1_has_torchvisions_names_and_counts() -> None:
    module = build("squeezenet1_1")
    shapes = {name: tuple(tensor.shape) for name, tensor in module.model.state_dict().items()}
    assert len(shapes) == 52
    assert shapes["features.0.weight"] == (64, 3, 3, 3)
    assert shapes["features.6.squeeze.weight"] == (32, 128, 1, 1)
    assert shapes["features.9.squeeze.weight"] == (48, 256, 1, 1)
    assert shapes["features.12.expand3x3.bias"] == (256,)
    assert sum(parameter.numel() for parameter in module.parameters()) == 1_235_496
    by_name = {layer.name.removeprefix("model."): layer for layer in costs.layers(module, (3, 224, 224))}
    widths = {"features.0": 111, "features.3.squeeze": 55, "features.6.squeeze": 27, "features.9.squeeze": 13}
    assert {name: by_name[name].output_shape[1] for name in widths} == widths


@pytest.mark.shared
@pytest.mark.slow
def test_revision_1_1_s_published_checkpoint_scores_what_it_should(shared: Path) -> None:
    """Plain code that shares nothing with this project scores 61.0 % on all 500 images; here are 40 of them."""
    settings = {"mean": (123 / 255, 117 / 255, 104 / 255), "std": (1 / 255,) * 3}
    model = build("squeezenet1_1", shared / "models" / "squeezenet1_1.safetensors", **settings)
    samples = ImageNet(root=shared / "data" / "imagenet-samples", size=227).load("test").take(40)
    images, labels = samples.tensors()
    with torch.inference_mode():
        correct = (model(images).argmax(1) == labels).double().mean()
        wrong_input = (model(images[:, [2, 1, 0]] * 0.5).argmax(1) == labels).double().mean()
    assert correct == pytest.approx(0.61, abs=0.1)
    assert wrong_input < 0.45


def test_costs_at_224() -> None:
    """Maps are 109, 54, 27 and 13 pixels wide."""
    module = build("squeezenet1_0")
    assert costs.measure(module).weights == 1_244_448
    by_name = {layer.name.removeprefix("model."): layer for layer in costs.layers(module, (3, 224, 224))}
    widths = {"features.0": 109, "features.3.squeeze": 54, "features.7.squeeze": 27, "classifier.1": 13}
    for name, width in widths.items():
        assert by_name[name].output_shape[1:] == (width, width)
        assert by_name[name].macs == by_name[name].weights * width * width


def test_colours_are_turned_behind_the_normalisation() -> None:
    settings = {"classes": 5, "mean": (0.1, 0.2, 0.3), "std": (1.0, 0.5, 0.25)}
    rgb, bgr = (
        MODELS["squeezenet1_0"].parse({**settings, "channel_order": order}).module().eval() for order in ("rgb", "bgr")
    )
    images = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        normalized = (images - torch.tensor([0.1, 0.2, 0.3]).view(3, 1, 1)) / torch.tensor([1, 0.5, 0.25]).view(3, 1, 1)
        assert torch.equal(rgb(images), rgb.model(normalized))
        assert torch.equal(bgr(images), bgr.model(normalized[:, [2, 1, 0]]))


def test_the_published_padding_averages_over_a_border_of_biases() -> None:
    plain, padded = (
        MODELS["squeezenet1_0"].parse({"classes": 4, "classifier_padding": width}).module().eval() for width in (0, 1)
    )
    images = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        maps = plain.model.classifier[:3](plain.model.features((images - plain.mean) / plain.std))
        bias = plain.model.classifier[1].bias.relu().view(4, 1, 1)
        framed = functional.pad(maps - bias, (1, 1, 1, 1)) + bias
        torch.testing.assert_close(padded(images), framed.mean((2, 3)))
