"""What a compressor leaves alone is said: which parameters, how many weights, and why."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import brinell
from brinell.attacks import BrinellWarning
from brinell.compressors import DNS, INQ, ABCNet, DeepCompression, Int8, Prune, XNORNet
from brinell.compressors.checks.coverage import coverage
from brinell.data import Dataset
from brinell.models import build
from brinell.training import Train
from brinell.variants import Variant
from zoo.layers import Attention

STILL = Train(epochs=0)


def test_weights_are_counted_once_and_summed_up() -> None:
    attention = Attention()
    found = coverage(attention, ["patches", "classifier"])
    # patches (8, 1, 2, 2), places (1, 16, 8), in_proj (24, 8), out_proj (8, 8), classifier (10, 8)
    assert (found["weights"], found["covered"]) == (32 + 128 + 192 + 64 + 80, 32 + 80)
    assert found["share"] == (32 + 80) / 496
    assert {name: entry["weights"] for name, entry in found["untouched"].items()} == {
        "attention.in_proj_weight": 192,
        "places": 128,
        "attention.out_proj": 64,
    }
    reason = found["untouched"]["attention.in_proj_weight"]["reason"]
    assert reason == "a parameter of MultiheadAttention, which is no convolution or linear layer"
    assert list(found["untouched"]) == ["attention.in_proj_weight", "places", "attention.out_proj"]  # largest first


@pytest.mark.parametrize(
    "compressor",
    [Prune(budget={"sparsity": 0.2}, train=STILL), DNS(sparsity=0.2, train=STILL), INQ(shares=(1,), train=STILL)],
    ids=lambda compressor: compressor.kind,
)
def test_attention_is_warned_of_and_named(compressor: Prune | DNS | INQ, sample: Dataset) -> None:
    torch.manual_seed(0)
    with pytest.warns(BrinellWarning, match=rf"{compressor.kind} covers 35% of the 496 weights; .*in_proj_weight"):
        made = brinell.compress(Attention().eval(), compressor, train_data=sample)
    found = made.lineage[-1].figures["coverage"]
    assert set(found["untouched"]) == {"attention.in_proj_weight", "places"}


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("kind", [XNORNet, ABCNet])
def test_binary_layers_say_why_others_stay_float(kind: type[XNORNet] | type[ABCNet], sample: Dataset) -> None:
    torch.manual_seed(0)
    layers = nn.Sequential(
        *(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding="same", groups=8), nn.ReLU()),
        *(nn.Conv2d(8, 8, 3, padding=1, padding_mode="reflect"), nn.ReLU(), nn.Conv2d(8, 16, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(16, 16, 2, padding="same"), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10)),
    )
    layers[6].register_forward_hook(lambda module, inputs, output: output)
    with pytest.warns(BrinellWarning, match="covers 2% of the"):
        made = brinell.compress(layers.eval(), kind(train=STILL), train_data=sample)
    untouched = made.lineage[-1].figures["coverage"]["untouched"]
    assert {name: entry["reason"] for name, entry in untouched.items()} == {
        "0": "the first convolution",
        "4": "pads by reflect, (1, 1); binary ones pad with zeros, equally on both sides",
        "6": "has hooks",
        "8": "pads by zeros, same; binary ones pad with zeros, equally on both sides",
        "11": "Linear layers stay float",
    }
    assert made.structure[-1].layers == ("2",)


def test_a_depthwise_layer_is_binary_and_lives(sample: Dataset) -> None:
    """Centred over its one input channel, every filter would be zero, and all images would have the same logits."""
    torch.manual_seed(0)
    module = nn.Sequential(
        *(nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU()),
        *(nn.Conv2d(16, 16, 3, padding=1, groups=16, bias=False), nn.BatchNorm2d(16), nn.ReLU()),
        *(nn.Conv2d(16, 32, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(4), nn.Flatten()),
        nn.Linear(128, 10),
    )
    train = Train(epochs=8, batch_size=32, learning_rate=0.05)
    brinell.training.fit(module, sample, train, seed=0)
    binary = XNORNet(train=Train(epochs=8, batch_size=32, learning_rate=0.01, optimizer="adamw", weight_decay=0))
    with pytest.warns(BrinellWarning, match="covers"):
        made = brinell.compress(module, binary, train_data=sample)
    deployed = made.deployed()
    assert (deployed.get_submodule("3").scale > 0).all()
    assert brinell.training.accuracy(deployed, sample) > 0.6


def test_pruning_of_channels_names_what_no_channel_can_leave(sample: Dataset) -> None:
    module = build("resnet8", width=4)
    variant = Variant.of(module, input_shape=(1, 8, 8), classes=10)
    made = Prune(granularity="filter", budget={"macs": 0.8}, train=STILL).compress(variant, sample, seed=0)
    untouched = made.lineage[-1].figures["coverage"]["untouched"]
    assert set(untouched) == {"model.conv1", "model.linear"}  # between them are the shortcuts of option A
    assert {entry["reason"] for entry in untouched.values()} == {"no channel of it can be removed"}


def test_whole_networks_are_covered_whole(baseline: Variant, sample: Dataset) -> None:
    for compressor in (DeepCompression(budget={"sparsity": 0.2}, train=STILL), Int8(calibration_examples=20)):
        found = compressor.compress(baseline, sample, seed=0).lineage[-1].figures["coverage"]
        assert (found["share"], found["untouched"]) == (1.0, {})
