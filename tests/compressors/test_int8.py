"""Int8: what ships is ONNX Runtime's graph, what is attacked is its twin, and the two agree."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import brinell
from brinell import costs
from brinell.attacks import FGSM, LocalSearch
from brinell.compressors import Distill, Int8, XNORNet
from brinell.core import ConfigurationError, ModelError, UnsupportedError
from brinell.data import Dataset
from brinell.models import build
from brinell.nn import fold_batch_norms
from brinell.nn.onnx_graph import FakeQuantized, OnnxNetwork
from brinell.nn.onnx_graph.quantizing import exact_scales
from brinell.training import Train, accuracy
from brinell.variants import OnnxGraph, Variant

QUICK = Train(epochs=1, batch_size=50, learning_rate=0.01)


@pytest.fixture(scope="module")
def int8(baseline: Variant, sample: Dataset) -> Variant:
    return Int8(calibration_examples=100).compress(baseline, sample, seed=0)


def test_accuracy_and_figures(int8: Variant, baseline: Variant, sample: Dataset) -> None:
    figures = int8.lineage[-1].figures
    assert figures["agreement_with_twin"] >= 0.98
    assert figures["agreement_with_parent"] >= 0.95
    assert figures["int8_macs"] >= 0.95
    assert accuracy(int8.deployed(), sample) > accuracy(baseline.deployed(), sample) - 0.03


def test_the_deployed_network_is_the_graph_and_the_view_its_twin(int8: Variant, sample: Dataset) -> None:
    deployed, view = int8.deployed(), int8.view()
    assert isinstance(deployed, OnnxNetwork)
    assert isinstance(view, FakeQuantized)
    images, _ = sample.tensors()
    assert not deployed(images).requires_grad
    asked = images[:4].clone().requires_grad_()
    (gradient,) = torch.autograd.grad(view(asked).square().sum(), asked)
    assert (gradient != 0).any()
    agreed = (deployed(images).argmax(1) == view(images).argmax(1)).double().mean()
    assert agreed >= 0.98
    for name in ("exact", "surrogate:tanh"):
        with pytest.raises(UnsupportedError, match="accepted: straight_through, none"):
            int8.view(name)


def test_an_attack_crafts_on_the_twin_and_is_judged_by_onnx_runtime(int8: Variant, sample: Dataset) -> None:
    outcome = brinell.attack(int8, *sample.tensors(), FGSM(epsilon=48 / 255))
    with torch.no_grad():
        assert torch.equal(int8.deployed()(outcome.adversarials).argmax(1), outcome.predictions.long())
    assert outcome.robust_accuracy < outcome.clean_accuracy - 0.2


@pytest.mark.parametrize("calibration", ["percentile", "entropy"])
def test_any_number_of_examples_calibrates(calibration: str, baseline: Variant, sample: Dataset) -> None:
    made = Int8(calibration=calibration, calibration_examples=77).compress(baseline, sample, seed=0)
    assert made.lineage[-1].figures["agreement_with_parent"] >= 0.9


def test_weights_have_seven_bits_unless_eight_are_set(int8: Variant, baseline: Variant, sample: Dataset) -> None:
    assert int8.lineage[-1].figures["weight_bits"] == 7
    eight = Int8(reduce_range=False, calibration_examples=100)
    assert eight.compress(baseline, sample, seed=0).lineage[-1].figures["weight_bits"] == 8
    assert eight.key != Int8(calibration_examples=100).key == Int8(calibration_examples=100, reduce_range=True).key
    assert not Int8(exact_weights=True).reduce_range
    assert Int8.parse(Int8(exact_weights=True).config()) == Int8(exact_weights=True)
    with pytest.raises(ConfigurationError, match="exact_weights and reduce_range exclude each other"):
        Int8.parse({"exact_weights": True, "reduce_range": True})


def test_figures_say_which_weights_are_integers(int8: Variant) -> None:
    covered = int8.lineage[-1].figures["coverage"]
    assert covered["share"] == 1.0
    assert covered["untouched"] == {}


def test_an_attack_through_scores_asks_onnx_runtime(int8: Variant, sample: Dataset) -> None:
    images, labels = sample.tensors()
    outcome = brinell.attack(int8.deployed(), images[:6], labels[:6], LocalSearch(max_queries=40))
    with torch.no_grad():
        assert torch.equal(int8.deployed()(outcome.adversarials).argmax(1), outcome.predictions.long())


def test_it_is_saved_as_its_graph_alone(int8: Variant, sample: Dataset, tmp_path: Path) -> None:
    assert list(int8.tensors) == ["onnx"]
    assert int8.structure == (OnnxGraph(size=len(int8.tensors["onnx"])),)
    size = brinell.save(int8, tmp_path / "v.brinell", effort="best")
    again = brinell.load(tmp_path / "v.brinell")
    images, _ = sample.tensors()
    assert torch.equal(again(images), int8(images))
    assert again.structure == int8.structure
    assert size < 1.1 * len(int8.tensors["onnx"])


def test_a_hostile_graph_in_an_honest_file_is_refused_when_it_is_to_run(int8: Variant, tmp_path: Path) -> None:
    graph = int8.tensors["onnx"].clone()
    graph[: len(graph) // 2] = 7
    brinell.save(replace(int8, tensors={"onnx": graph}), tmp_path / "v.brinell")
    loaded = brinell.load(tmp_path / "v.brinell")
    for use in (loaded, lambda images: loaded.view()(images)):
        with pytest.raises(ModelError, match="onnx: "):
            use(torch.rand(1, 1, 8, 8))


def test_costs_are_those_of_its_layers(int8: Variant, baseline: Variant) -> None:
    before, after = costs.measure(baseline), costs.measure(int8)
    assert (after.weights, after.macs) == (before.weights, before.macs)
    assert after.memory_mb == pytest.approx(before.memory_mb / 4)


def test_a_scale_a_layer(baseline: Variant, sample: Dataset, int8: Variant) -> None:
    coarse = Int8(per_channel=False, calibration="percentile", calibration_examples=50)
    assert coarse.compress(baseline, sample, seed=0).tensors["onnx"].numel() < int8.tensors["onnx"].numel()


def test_nothing_follows_and_nothing_binary_goes_before(int8: Variant, baseline: Variant, sample: Dataset) -> None:
    with pytest.raises(ModelError, match="make it the last step"):
        Distill(initialize="teacher", train=QUICK).compress(int8, sample, seed=0)
    with pytest.raises(ModelError, match="binary or quantised already"):
        Int8().compress(int8, sample, seed=0)
    binary = XNORNet(train=QUICK).compress(baseline, sample, seed=0)
    with pytest.raises(ModelError, match="binary or quantised already"):
        Int8().compress(binary, sample, seed=0)
    wide = nn.Sequential(nn.Flatten(), nn.Linear(256, 10))
    with pytest.raises(ModelError, match=r"takes images \(1, 16, 16\); digits has \(1, 8, 8\)"):
        Int8().compress(Variant.of(wide, input_shape=(1, 16, 16), classes=10), sample, seed=0)


def powers_of_two(exponents: int) -> Variant:
    """A ResNet-8 whose weights are powers of two, of so many exponents in one filter and seven in the others."""
    torch.manual_seed(0)
    module = build("resnet8")
    for part in module.modules():
        if isinstance(part, (nn.Conv2d, nn.Linear)):
            span = torch.randint(0, 7, part.weight.shape).float()
            part.weight.data = torch.exp2(span - 6) * torch.randn_like(part.weight).sign()
        if isinstance(part, nn.BatchNorm2d):
            part.running_var.uniform_(0.5, 2)
    wide = module.model.layer2[0].conv1.weight
    wide.data.view(len(wide), -1)[0, :exponents] = torch.exp2(-torch.arange(exponents).float())
    return Variant.of(module.eval(), input_shape=(1, 8, 8), classes=10)


@pytest.mark.parametrize(("exponents", "whole"), [(7, True), (9, False)])
def test_powers_of_two_run_in_int8_without_changing_a_weight(sample: Dataset, exponents: int, whole: bool) -> None:
    variant = powers_of_two(exponents)
    int8 = Int8(calibration_examples=40, exact_weights=True).compress(variant, sample, seed=0)
    folded = fold_batch_norms(variant.deployed())
    expected = [part.weight for part in folded.modules() if isinstance(part, (nn.Conv2d, nn.Linear))]
    layers = int8.view().layers.values()
    assert len(layers) == len(expected)
    assert all(any(torch.equal(layer.weight, weight) for weight in expected) for layer in layers)
    share = int8.lineage[-1].figures["int8_macs"]
    assert share == 1 if whole else 0.5 < share < 1
    plain = Int8(calibration_examples=40, reduce_range=False).compress(variant, sample, seed=0)
    assert not all(
        any(torch.equal(each.weight, weight) for weight in expected) for each in plain.view().layers.values()
    )


def test_whole_scales_are_the_smallest_weights() -> None:
    weight = np.float32([[0.25, -16, 0], [3, -381, 0], [0, 0, 0]])
    assert exact_scales(weight).tolist() == [0.25, 3, 1]
    assert exact_scales(np.float32([[0.25, 32]])) is None  # 128 steps
    assert exact_scales(np.float32([[0.25, 0.3]])) is None
    with pytest.raises(ConfigurationError, match="exact_weights needs per_channel"):
        Int8.parse({"exact_weights": True, "per_channel": False})
    assert "exact_weights" not in Int8().identity()
