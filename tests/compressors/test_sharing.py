"""A weight in two layers, and a layer under two names: counted once, compressed as one, stored once."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import brinell
from brinell.compressors import DNS, INQ, ABCNet, Compressor, DeepCompression, FineTune, Prune, XNORNet
from brinell.container import compare_sizes, inspect
from brinell.costs import layers, measure
from brinell.data import Dataset
from brinell.training import Train
from brinell.variants import Variant

QUICK = Train(epochs=1, batch_size=50, learning_rate=0.01)
WIDTH = 12
SHARED_WEIGHTS = 9 * WIDTH**2


class Network(nn.Module):
    """Three convolutions: `third` has the weight of `second`, or is `second` itself, or is a layer of its own."""

    def __init__(self, sharing: str) -> None:
        super().__init__()
        self.first, self.second, self.third = (nn.Conv2d(size, WIDTH, 3, padding=1) for size in (1, WIDTH, WIDTH))
        if sharing == "tied":
            self.third.weight = self.second.weight
        elif sharing == "two names":
            self.third = self.second
        self.classifier = nn.Linear(WIDTH, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.third(F.relu(self.second(F.relu(self.first(x))))))
        return self.classifier(x.mean((2, 3)))


def variant_of(sharing: str) -> Variant:
    torch.manual_seed(0)
    return Variant.of(Network(sharing), input_shape=(1, 8, 8), classes=10)


SHARED = pytest.mark.parametrize("sharing", ["tied", "two names"])
COMPRESSORS: tuple[Compressor, ...] = (
    FineTune(train=QUICK),
    Prune(budget={"macs": 0.5}, train=QUICK),
    Prune(budget={"sparsity": 0.5}, granularity="kernel", train=QUICK),
    DNS(sparsity=0.5, train=QUICK),
    INQ(shares=(0.5, 1), train=QUICK),
    DeepCompression(budget={"sparsity": 0.5}, conv_bits=3, train=QUICK, sharing_epochs=1),
    XNORNet(train=QUICK),
    ABCNet(weight_bases=2, activation_bases=2, train=QUICK),
)


def kernel(layer: nn.Module) -> Tensor:
    """What a layer convolves with, whatever kind it is."""
    if hasattr(layer, "kernel"):
        return layer.kernel()
    return layer.weight * layer.scale.view(-1, 1, 1, 1) if hasattr(layer, "scale") else layer.weight


@SHARED
@pytest.mark.parametrize("compressor", COMPRESSORS, ids=lambda compressor: compressor.kind)
def test_what_is_shared_stays_shared(sharing: str, compressor: Compressor, sample: Dataset, tmp_path: Path) -> None:
    variant = variant_of(sharing)
    child = compressor.compress(variant, sample, seed=0)
    for module in (child.deployed(), child.trainable()):
        second, third = module.get_submodule("second"), module.get_submodule("third")
        assert type(second) is type(third)
        assert torch.equal(kernel(second), kernel(third))
        assert (second is third) == (sharing == "two names")
    assert not torch.equal(kernel(child.deployed().get_submodule("second")), variant.tensors["second.weight"])
    assert measure(child).weights == measure(variant).weights == 9 * WIDTH + SHARED_WEIGHTS + 10 * WIDTH
    path = tmp_path / "v.brinell"
    brinell.save(child, path)
    again = brinell.load(path, model=Network(sharing))
    images = sample.tensors()[0]
    assert torch.equal(again(images), child(images))
    stored = {tensor.name: tensor for tensor in inspect(path).tensors}
    assert any(name.startswith("third.") and tensor.coding == "same" for name, tensor in stored.items())


@SHARED
def test_a_shared_weight_is_counted_once(sharing: str) -> None:
    alone, shared = (measure(variant_of(each)) for each in ("none", sharing))
    assert alone.weights - shared.weights == alone.nonzero - shared.nonzero == SHARED_WEIGHTS
    assert alone.memory_mb - shared.memory_mb == pytest.approx(4 * SHARED_WEIGHTS / 1e6)
    assert alone.macs == shared.macs
    counted = {layer.name: layer for layer in layers(variant_of("tied").deployed(), (1, 8, 8))}
    assert (counted["third"].weights, counted["third"].shared_with) == (0, "second")
    assert counted["third"].macs == counted["third"].nonzero_macs == counted["second"].macs == 64 * SHARED_WEIGHTS


@SHARED
@pytest.mark.parametrize("budget", [{"macs": 0.5}, {"sparsity": 0.5}, {"sparsity": 0.8}, {"parameters": 0.5}])
def test_budgets_are_met_and_not_overshot(sharing: str, budget: dict[str, float], sample: Dataset) -> None:
    child = Prune(budget=budget, train=QUICK).compress(variant_of(sharing), sample, seed=0)
    figures = child.lineage[-1].figures
    ((name, asked),) = budget.items()
    if name == "parameters":
        counted = measure(child)
        left = counted.nonzero + counted.parameters - counted.weights
        assert 0.49 * measure(variant_of(sharing)).parameters < left <= 0.5 * counted.parameters
    else:
        found = {"macs": figures["macs_kept"], "sparsity": figures["sparsity"]}[name]
        assert found == pytest.approx(asked, abs=0.01)


def test_channels_of_tied_layers_go_together(sample: Dataset) -> None:
    """The weight loses channel i as an output of `second` where it loses it as an input of `third`: all are one."""
    child = Prune(granularity="filter", budget={"macs": 0.5}, train=QUICK).compress(variant_of("tied"), sample, seed=0)
    module = child.deployed()
    second, third = module.get_submodule("second"), module.get_submodule("third")
    assert second.weight is third.weight
    assert second.weight.shape[0] == second.weight.shape[1] == module.get_submodule("first").out_channels < WIDTH
    assert measure(child).macs <= 0.5 * measure(variant_of("tied")).macs


def test_a_shared_weight_stays_float_where_one_of_its_layers_does(sample: Dataset) -> None:
    choice = XNORNet(float_layers=("second",), train=QUICK)
    with pytest.raises(brinell.core.BrinellError, match="shares its weight with second, which stays float"):
        choice.compress(variant_of("tied"), sample, seed=0)


@SHARED
def test_general_purpose_and_nominal_sizes_count_it_once(sharing: str, tmp_path: Path) -> None:
    found = []
    for each in ("none", sharing):
        brinell.save(variant_of(each), tmp_path / each)
        found.append(compare_sizes(variant_of(each), tmp_path / each, general_purpose=["deflate"]))
    saved = found[0]["general_purpose"]["deflate"] - found[1]["general_purpose"]["deflate"]
    assert saved > 0.8 * 4 * SHARED_WEIGHTS  # random numbers hardly compress
    assert found[0]["nominal_bytes"] - found[1]["nominal_bytes"] == 4 * SHARED_WEIGHTS


def test_a_file_that_stores_a_shared_weight_twice_still_reads(tmp_path: Path) -> None:
    """As files of before were written: the same network, of which nobody knew that two names are one weight."""
    variant, path = variant_of("tied"), tmp_path / "v.brinell"
    separate = variant_of("none")
    twice = {**separate.tensors, **{name: tensor.clone() for name, tensor in variant.tensors.items()}}
    twice["third.weight"] = twice["third.weight"] + 1e-3  # else the writer would find them equal
    brinell.save(type(separate)(**{**vars(separate), "tensors": twice}), path)
    assert not [tensor for tensor in inspect(path).tensors if tensor.coding == "same"]
    assert brinell.load(path, model=Network("none")).tensors.keys() == variant.tensors.keys()
    assert brinell.load(path, model=Network("tied")).tensors.keys() == variant.tensors.keys()
