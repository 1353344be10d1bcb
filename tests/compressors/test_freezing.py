"""Frozen parameters and frozen batch norms stay as they are through every compressor and every training."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

import brinell
from brinell.compressors import (
    DNS,
    INQ,
    ABCNet,
    Compressor,
    DeepCompression,
    Distill,
    FineTune,
    Prune,
    RobustCompression,
    XNORNet,
)
from brinell.core import ModelError
from brinell.data import Dataset
from brinell.nn import frozen_names
from brinell.training import Train, fit
from brinell.variants import Variant

QUICK = Train(epochs=1, batch_size=50, learning_rate=0.05)
RECALIBRATED = QUICK.model_copy(update={"recalibration": 100})


def network() -> nn.Sequential:
    """Frozen: the first two convolutions, and the first norm with its parameters; the second norm by its mode."""
    torch.manual_seed(0)
    layers = nn.Sequential(
        *(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU()),
        *(nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU()),
        *(nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU()),
        *(nn.Conv2d(16, 16, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10)),
    )
    for norm in (layers[1], layers[4], layers[7]):
        norm.running_mean.uniform_(-0.2, 0.2)
    for index in (0, 1, 3):
        layers[index].requires_grad_(False)
    layers.train()
    layers[4].eval()
    return layers


FROZEN = ("0.weight", "0.bias", "1.weight", "1.bias", "3.weight", "3.bias")
STATISTICS = ("1.running_mean", "1.running_var", "4.running_mean", "4.running_var")
COMPRESSORS: tuple[Compressor, ...] = (
    FineTune(train=RECALIBRATED),
    Distill(initialize="teacher", train=QUICK),
    Distill(train=QUICK),
    Prune(budget={"sparsity": 0.5}, train=QUICK),
    Prune(granularity="filter", budget={"macs": 0.8}, train=QUICK),
    DNS(sparsity=0.5, train=QUICK),
    INQ(shares=(0.5, 1), train=QUICK),
    DeepCompression(budget={"sparsity": 0.5}, conv_bits=3, train=QUICK, sharing_epochs=1),
    RobustCompression(sparsity=0.5, surgery_epochs=1, shares=(0.5, 1), train=QUICK),
    XNORNet(train=QUICK),
    ABCNet(train=RECALIBRATED),
)


@pytest.mark.filterwarnings("ignore:.* covers")
@pytest.mark.parametrize("compressor", COMPRESSORS, ids=lambda compressor: compressor.kind)
def test_what_is_frozen_stays_through_every_compressor(compressor: Compressor, sample: Dataset, tmp_path: Path) -> None:
    module = network()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    child = brinell.compress(module, compressor, train_data=sample)
    after = child.tensors if child.latent is None else child.latent  # norms of binary networks ship as two vectors
    for name in (*FROZEN, *STATISTICS):
        assert torch.equal(after[name], before[name]), name
    assert not torch.equal(after["7.running_mean"], before["7.running_mean"])
    assert not torch.equal(after["12.bias"], before["12.bias"])
    brinell.save(child, tmp_path / "v.brinell")
    again = brinell.load(tmp_path / "v.brinell", model=network())
    assert again.frozen == child.frozen == (*FROZEN, "4")
    if child.latent is None:  # latent weights are no part of the file
        later = FineTune(train=QUICK).compress(again, sample, seed=0)
        assert all(torch.equal(later.tensors[name], before[name]) for name in (*FROZEN, *STATISTICS))


@pytest.mark.filterwarnings("ignore:.* covers")
def test_figures_say_what_is_frozen(sample: Dataset) -> None:
    child = brinell.compress(network(), INQ(shares=(1,), train=QUICK), train_data=sample)
    untouched = child.lineage[-1].figures["coverage"]["untouched"]
    assert {name: entry["reason"] for name, entry in untouched.items()} == {"3": "frozen", "0": "frozen"}


def test_a_training_leaves_a_norm_that_is_in_evaluation_mode(sample: Dataset) -> None:
    module = network()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    fit(module, sample, RECALIBRATED.model_copy(update={"epochs": 2}), seed=0)
    for name in (*FROZEN, *STATISTICS):
        assert torch.equal(module.state_dict()[name], before[name]), name
    assert not torch.equal(module.state_dict()["7.running_mean"], before["7.running_mean"])


def test_a_network_for_inference_says_nothing_about_training(sample: Dataset) -> None:
    """All of its parameters are frozen, as everybody's are who does not train."""
    module = network().requires_grad_(False).eval()
    assert frozen_names(module) == ()
    child = brinell.compress(module, FineTune(train=QUICK), train_data=sample)
    assert not torch.equal(child.tensors["0.weight"], module[0].weight)


def test_layers_that_are_all_frozen_are_one_clear_error(sample: Dataset) -> None:
    module = network()
    for layer in module:
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            layer.requires_grad_(False)
    with pytest.raises(ModelError, match="all its convolutions and linear layers are frozen"):
        brinell.compress(module, INQ(train=QUICK), train_data=sample)
    with pytest.raises(ModelError, match=r"no channels that could be removed; layers with frozen parameters stay"):
        brinell.compress(module, Prune(granularity="filter", train=QUICK), train_data=sample)


def test_a_flag_of_the_architecture_is_kept_too(baseline: Variant, sample: Dataset) -> None:
    module = baseline.trainable()
    module.get_submodule("model.conv1").requires_grad_(False)
    module.architecture = baseline.architecture
    parent = Variant.of(module, input_shape=(1, 8, 8), classes=10)
    child = FineTune(train=QUICK).compress(parent, sample, seed=0)
    assert child.architecture == baseline.architecture
    assert torch.equal(child.tensors["model.conv1.weight"], baseline.tensors["model.conv1.weight"])
    assert not torch.equal(child.tensors["model.linear.weight"], baseline.tensors["model.linear.weight"])
