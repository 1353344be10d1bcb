"""MobileNet v1: TensorFlow's padding, rectifiers up to 6, and the weights that Google published."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from brinell.core import ConfigurationError
from brinell.models import MODELS, build
from brinell.models.mobilenet import MobileNet

PUBLISHED = {
    "multiplier": 0.75,
    "activation": "relu6",
    "padding": "tensorflow",
    "batch_norm_epsilon": 1e-3,
    "mean": (0.5, 0.5, 0.5),
    "std": (0.5, 0.5, 0.5),
}


@given(side=st.integers(1, 40), stride=st.sampled_from([1, 2]))
def test_padding_is_tensorflows(side: int, stride: int) -> None:
    """TensorFlow documents: ceil(side / stride) windows, and the smaller half of the padding comes first."""
    layer = MobileNet(1, 2, 0.05, first_stride=stride, padding="tensorflow")
    image = torch.ones(1, 1, side, side)
    padded = layer.pad(image)
    windows = -(-side // stride)
    total = max((windows - 1) * stride + 3 - side, 0)
    assert padded.shape[-1] == side + total
    assert torch.equal(padded[..., total // 2 :, total // 2 :][..., :side, :side], image)
    assert padded.sum() == image.sum()
    assert layer.conv1(padded).shape[-1] == windows


def test_tensorflow_and_symmetric_padding_agree_on_odd_sizes_only() -> None:
    one, other = (MobileNet(3, 3, 0.25, padding=padding) for padding in ("symmetric", "tensorflow"))
    other.load_state_dict(one.state_dict())
    odd, even = torch.rand(1, 3, 33, 33), torch.rand(1, 3, 32, 32)
    first, second = (lambda images, model=model: model.conv1(model.pad(images)) for model in (one, other))
    assert torch.equal(first(odd), second(odd))
    assert not torch.equal(first(even), second(even))


def test_relu6_bounds_every_map() -> None:
    model = build("mobilenet_v1", classes=3, multiplier=0.25, activation="relu6")
    largest: list[float] = []
    for block in model.model.blocks:  # type: ignore[union-attr]
        block.register_forward_hook(lambda module, inputs, output: largest.append(float(output.max())))
    with torch.no_grad():
        for layer in model.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.weight.fill_(100)
        model(torch.rand(1, 3, 64, 64))
    assert largest
    assert all(value == 6 for value in largest)


def test_defaults_keep_the_keys_that_results_have() -> None:
    assert MODELS["mobilenet_v1"]().identity().keys() == {
        *("kind", "revision", "classes", "in_channels", "size", "multiplier", "mean", "std")
    }
    assert MODELS["mobilenet_v1"](activation="relu6").key != MODELS["mobilenet_v1"]().key


def test_unknown_activations_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"activation: input should be 'relu' or 'relu6', not 'gelu'"):
        build("mobilenet_v1", activation="gelu")


@pytest.mark.shared
def test_published_weights_compute_what_they_compute_elsewhere(shared: Path) -> None:
    """Beside a plain module that was written to check them."""
    place = shared / "models" / "networks.py"
    specification = importlib.util.spec_from_file_location("networks", place)
    assert specification is not None
    assert specification.loader is not None
    networks = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(networks)
    model = build("mobilenet_v1", shared / "models" / "mobilenet_v1_075.safetensors", **PUBLISHED)
    assert (
        sum(parameter.numel() for parameter in model.parameters()) == 2_585_560
    )  # 2.59 million, as TensorFlow's table says
    images = torch.rand(2, 3, 224, 224)
    with torch.inference_mode():
        torch.testing.assert_close(model(images), networks.load("mobilenet_v1_075")(images))
