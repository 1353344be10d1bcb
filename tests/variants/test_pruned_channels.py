"""Narrower layers: what a header says of them is checked, and a file with a wrong one gets one clear error."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

import brinell
from brinell.core import ConfigurationError, ModelError, StoreError
from brinell.models import ResNet8
from brinell.nn import slice_channels
from brinell.variants import CHANGES, PrunedChannels, Variant

INNER = [
    ["model.layer1.0.conv1", 4, 3],
    ["model.layer1.0.bn1", 3, 3],
    ["model.layer1.0.conv2", 3, 4],
]


def change(*widths: list[object]) -> PrunedChannels:
    found = CHANGES.parse({"kind": "narrower", "widths": list(widths)})
    assert isinstance(found, PrunedChannels)
    return found


def test_layers_keep_the_channels_asked_for_with_their_values() -> None:
    conv, linear, norm = nn.Conv2d(4, 6, 3), nn.Linear(8, 5), nn.BatchNorm2d(6)
    single = nn.Conv2d(6, 6, 3, groups=6)
    before = [layer.weight.detach().clone() for layer in (conv, linear, norm, single)]
    some, most = torch.tensor([0, 3]), torch.tensor([1, 2, 5])
    for layer in (conv, linear, norm, single):
        slice_channels(layer, some, torch.tensor([1, 2, 4]) if layer is linear else most)
    assert torch.equal(conv.weight, before[0][most][:, some])
    assert torch.equal(linear.weight, before[1][[1, 2, 4]][:, some])
    assert torch.equal(norm.weight, before[2][most])
    assert torch.equal(single.weight, before[3][most])
    images = torch.rand(2, 2, 8, 8)
    assert single(norm(conv(images))).shape == (2, 3, 4, 4)
    assert linear(torch.rand(1, 2)).shape == (1, 3)
    assert (norm.num_features, single.groups, conv.in_channels) == (3, 3, 2)


def test_a_change_reads_back() -> None:
    made = change(*INNER)
    assert CHANGES.parse(made.config()) == made
    module = ResNet8(width=4).module()
    made.apply(module, latent=False)
    assert module.eval()(torch.rand(1, 1, 8, 8)).shape == (1, 10)


@pytest.mark.parametrize(
    ("widths", "message"),
    [
        ([["model.layer1.0.conv1", 4, 5]], "has 4 input and 4 output channels; 4 and 5 are not left"),
        ([["model.layer9", 1, 1]], "'model.layer9' is not a convolution"),
        ([["model.layer1", 1, 1]], "'model.layer1' is not a convolution"),
        ([["", 1, 1]], "'' is not a convolution"),
        ([["model.bn1", 2, 3]], "cannot take 2 channels and give 3"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(widths: list[list[object]], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        change(*widths).apply(ResNet8(width=4).module(), latent=False)


@pytest.mark.parametrize(
    "widths", [[], [["a", 0, 1]], [["a", 1.5, 1]], [["a", 1, 1], ["a", 1, 1]], [["a", 1]], [["a", -3, 1 << 40]]]
)
def test_what_no_network_can_have_is_refused(widths: list[list[object]]) -> None:
    with pytest.raises(ConfigurationError):
        change(*widths)


@pytest.mark.parametrize(
    "wrong", [INNER[:1], [["model.conv1", 1, 99]], [["nothing", 1, 1]], [*INNER, ["model.linear", 1, 1]]]
)
def test_a_file_that_lies_about_its_widths_is_refused(wrong: list[list[object]], tmp_path: Path) -> None:
    module = ResNet8(width=4).module()
    change(*INNER).apply(module, latent=False)
    honest = replace(Variant.of(module, input_shape=(1, 8, 8), classes=10), structure=(change(*INNER),))
    path = tmp_path / "net.brinell"
    brinell.save(honest, path)
    assert brinell.load(path).structure == honest.structure
    brinell.save(replace(honest, structure=(change(*wrong),)), path)
    with pytest.raises(StoreError, match=r"cannot read .*net\.brinell: "):
        brinell.load(path)
