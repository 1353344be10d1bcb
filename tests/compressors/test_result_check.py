"""Every compression ends in one check: results that are dead, constant, unrelated or over budget are errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import brinell
from brinell.attacks import BrinellWarning
from brinell.compressors import DNS, INQ, Compressor, DeepCompression, Prune, XNORNet
from brinell.compressors.checks.recount import count_macs, count_nonzero, sum_counts
from brinell.compressors.checks.result_check import dead_layers, first_constant_layer
from brinell.core import ModelError, Progress
from brinell.costs import measure
from brinell.data import Dataset
from brinell.models import ResNet8
from brinell.training import Train
from brinell.variants import Step, Variant

STILL = Train(epochs=0)
CONVOLUTION, NORM, LAST = "model.layer2.0.conv1", "model.layer2.0.bn1", "model.linear"


class Faulty(Compressor):
    """Leaves the network as it is, but for one fault."""

    kind = "faulty"

    fault: str

    def _compress(
        self,
        variant: Variant,
        data: Dataset,
        *,
        seed: int,
        device: str | torch.device | None,
        checkpoint: Path | None,
        progress: Progress,
    ) -> Variant:
        module = variant.trainable()
        parts: dict[str, Any] = dict(module.named_modules())
        with torch.no_grad():
            if self.fault == "dead weights":
                parts[CONVOLUTION].weight.zero_()
            elif self.fault == "dead scale":
                parts[NORM].weight.zero_()
            elif self.fault == "constant":
                parts["model.bn1"].running_var.fill_(1e30)
            elif self.fault == "not finite":
                parts[LAST].bias[3] = torch.inf
            elif self.fault == "shifted classes":
                parts[LAST].weight.copy_(parts[LAST].weight.roll(1, 0))
                parts[LAST].bias.copy_(parts[LAST].bias.roll(1, 0))
        return variant.child(module, Step(self.kind, self.config(), seed, {}))


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("dead weights", rf"faulty: {CONVOLUTION} is dead in the result"),
        ("dead scale", rf"faulty: {NORM} is dead in the result"),
        ("constant", r"faulty: the result gives all of \d+ images the same logits, and model.bn1 the same output"),
        ("not finite", r"faulty: the result has logits that are not finite"),
        ("shifted classes", r"agrees with the network before on \d+ of 256 training images, which is no better than"),
    ],
)
def test_a_fault_is_an_error_that_names_its_layer(
    fault: str, message: str, baseline: Variant, sample: Dataset, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=message):
        brinell.compress(baseline, Faulty(fault=fault), train_data=sample)


def test_a_result_without_a_fault_passes(baseline: Variant, sample: Dataset) -> None:
    assert brinell.compress(baseline, Faulty(fault="none"), train_data=sample).lineage[-1].kind == "faulty"


def test_a_network_that_has_learnt_nothing_agrees_with_nobody(sample: Dataset) -> None:
    untrained = Variant.of(ResNet8(width=4).module(seed=0), input_shape=(1, 8, 8), classes=10)
    brinell.compress(untrained, Faulty(fault="shifted classes"), train_data=sample)


def test_what_was_dead_before_is_not_held_against_the_result(baseline: Variant, sample: Dataset) -> None:
    module = baseline.trainable()
    module.get_submodule(NORM).weight.data.zero_()  # as residual networks are often initialised
    parent = Variant.of(module, input_shape=(1, 8, 8), classes=10)
    assert list(dead_layers(parent.deployed())) == [NORM]
    brinell.compress(parent, Faulty(fault="none"), train_data=sample)


def test_the_layer_where_outputs_become_constant_is_found() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Conv2d(2, 2, 3), nn.Flatten(), nn.Linear(32, 3)).eval()
    images = torch.rand(5, 1, 8, 8)
    assert first_constant_layer(network, images) is None
    network[0].bias.data.fill_(-100.0)  # every activation is cut off
    assert first_constant_layer(network, images) == "1"


class Overshooting(Prune):
    """Prunes a layer more than it was asked to."""

    def _compress(self, variant: Variant, data: Dataset, **rest: Any) -> Variant:
        made = super()._compress(variant, data, **rest)
        module = made.trainable()
        weight = module.get_submodule(CONVOLUTION).get_parameter("weight").data.view(-1)
        weight[weight.abs() < weight.abs().max()] = 0.0
        return made.child(module, made.lineage[-1])


@pytest.mark.parametrize("budget", [{"macs": 0.5}, {"sparsity": 0.5}, {"parameters": 0.6}])
def test_more_pruned_than_asked_for_is_an_error(budget: dict[str, float], baseline: Variant, sample: Dataset) -> None:
    (name,) = budget
    with pytest.raises(ModelError, match=rf"budget.{name}: \S+ was to be left, and only \S+ is"):
        Overshooting(budget=budget, train=STILL).compress(baseline, sample, seed=0)


class Refilling(Prune):
    """Lets what was pruned grow back."""

    def _compress(self, variant: Variant, data: Dataset, **rest: Any) -> Variant:
        made = super()._compress(variant, data, **rest)
        return made.child(variant.trainable(), made.lineage[-1])


@pytest.mark.parametrize("budget", [{"macs": 0.5}, {"sparsity": 0.5}, {"parameters": 0.6}, {"bytes": 0.5}])
def test_less_pruned_than_asked_for_is_an_error(budget: dict[str, float], baseline: Variant, sample: Dataset) -> None:
    (name,) = budget
    with pytest.raises(ModelError, match=rf"budget.{name}: \S+ was to be left, and \S+ is"):
        Refilling(budget=budget, train=STILL).compress(baseline, sample, seed=0)


@pytest.mark.filterwarnings("ignore:dns covers")
@pytest.mark.parametrize(
    ("compressor", "message"),
    [
        (DNS(sparsity=0.5, train=STILL), r"sparsity: 0.5 was to be left, and 1 is"),
        (DNS(sparsity={CONVOLUTION: 0.5}, train=STILL), rf"sparsity.{CONVOLUTION}: 0.5 was to be left, and 1 is"),
        (INQ(train=STILL), r"inq: a weight of \S+ is neither 0 nor a power of two"),
        (DeepCompression(budget={"sparsity": 0.1}, conv_bits=3, train=STILL, sharing_epochs=0), r"different weights"),
        (XNORNet(train=STILL), r"was to be binary"),
    ],
)
def test_what_each_compressor_promises_is_counted_anew(
    compressor: Compressor, message: str, baseline: Variant, sample: Dataset
) -> None:
    made = compressor.compress(baseline, sample, seed=0)
    compressor.check_budget(baseline, made)
    module = baseline.trainable()
    if isinstance(compressor, DeepCompression):
        for parameter in module.parameters():
            parameter.data[torch.rand_like(parameter) < 0.1] = 0.0
    claimed = baseline.child(module, made.lineage[-1])
    if isinstance(compressor, XNORNet):
        claimed = made.child(made.trainable(), made.lineage[-1])
        bits = dict(claimed.tensors)
        bits[f"{CONVOLUTION}.weight"] = bits[f"{CONVOLUTION}.weight"] * 2
        claimed = type(claimed)(**{**vars(claimed), "tensors": bits})
    with pytest.raises(ModelError, match=message):
        compressor.check_budget(baseline, claimed)


def test_the_recount_agrees_with_the_costs(baseline: Variant) -> None:
    """Two counts, each of its own: of weights, and of multiply-accumulates with some weights at zero."""
    module = baseline.deployed()
    for parameter in module.parameters():
        if parameter.dim() == 4:
            parameter[: len(parameter) // 2] = 0.0
    counted = measure(module, (1, 8, 8), sparse=True)
    assert sum_counts(count_nonzero(module).values()) == (counted.nonzero, counted.weights)
    assert count_macs(module, (1, 8, 8)) == counted.macs


def test_a_compressor_that_covers_little_warns_and_says_what_it_leaves(baseline: Variant, sample: Dataset) -> None:
    with pytest.warns(BrinellWarning, match=r"dns covers \d+% of the [\d,]+ weights; it leaves alone .*not named in"):
        made = DNS(sparsity={CONVOLUTION: 0.5}, train=STILL).compress(baseline, sample, seed=0)
    found = made.lineage[-1].figures["coverage"]
    left = sum(entry["weights"] for entry in found["untouched"].values())
    assert found["weights"] == found["covered"] + left == measure(baseline).weights
    assert found["share"] == found["covered"] / found["weights"]
    assert CONVOLUTION not in found["untouched"]
    assert found["untouched"][LAST]["reason"] == "not named in sparsity or c"
