"""What pruning removes: the smallest kernels, filters and channels, and with channels all that belongs to them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import brinell
from brinell import costs
from brinell.compressors import INQ, Prune, XNORNet
from brinell.compressors.granularities import prunable_units
from brinell.compressors.granularities.removed import RemovedUnits
from brinell.core import ConfigurationError, ModelError
from brinell.data import Dataset
from brinell.models import ResNet8
from brinell.training import Train
from brinell.variants import PrunedChannels, Variant
from compressors.networks import STRUCTURES, Grouped, structure

STILL = Train(epochs=0)
QUICK = Train(epochs=1, batch_size=50, learning_rate=0.01)
SIDES = ("filter", "channel")
BUDGETS = (
    ("filter", {"macs": 0.5}),
    ("channel", {"macs": 0.5}),
    ("filter", {"parameters": 0.6}),
    ("filter", {"sparsity": 0.4}),
)

sides = pytest.mark.parametrize("side", SIDES)
structures = pytest.mark.parametrize("name", [*STRUCTURES, "option_a"])


def network(name: str) -> Variant:
    if name != "option_a":
        return structure(name)
    return Variant.of(ResNet8(width=8).module(seed=0), input_shape=(1, 8, 8), classes=10)


def prune(variant: Variant, data: Dataset, side: str, train: Train = STILL, **fields: object) -> Variant:
    return Prune.parse({"granularity": side, "train": train, **fields}).compress(variant, data, seed=0)


def parts(variant: Variant, side: str) -> RemovedUnits:
    module = variant.trainable()
    found = prunable_units(module, costs.layers(module, variant.input_shape), variant.input_shape, side)  # type: ignore[arg-type]
    assert isinstance(found, RemovedUnits)
    return found


def used(variant: Variant, budget: str) -> float:
    """By the costs room, which knows nothing of pruning."""
    measured = costs.measure(variant)
    return {"macs": measured.macs, "parameters": measured.parameters, "sparsity": measured.weights}[budget]


@structures
@pytest.mark.parametrize(
    ("side", "budget"), BUDGETS, ids=lambda value: next(iter(value)) if isinstance(value, dict) else value
)
def test_the_budget_is_met_as_nearly_as_channels_allow(
    name: str, side: str, budget: dict[str, float], sample: Dataset
) -> None:
    variant = network(name)
    child = prune(variant, sample, side, budget=budget)
    ((kind, value),) = budget.items()
    wanted = used(variant, kind) * (1 - value if kind == "sparsity" else value)
    assert used(child, kind) <= wanted * (1 + 1e-9)
    units = parts(variant, side).units
    now = parts(child, side).units
    largest = max(
        used(variant, kind) - used(prune(variant, sample, side, rates=rates, budget={"macs": 1}), kind)
        for group, count in units.items()
        for rates in [{group: (count - 1) / count, **{other: 1 for other in units if other != group}}]
    )
    assert used(child, kind) > wanted - largest  # no channel is worth more than this
    assert all(1 <= now[group] <= units[group] for group in now)


@structures
@sides
def test_removing_channels_equals_hiding_them_from_the_layers_that_take_them(
    name: str, side: str, sample: Dataset
) -> None:
    variant = network(name)
    child = prune(variant, sample, side)
    module, images = variant.deployed(), sample.tensors()[0][:16]
    layers, (change,) = dict(module.named_modules()), child.structure
    assert isinstance(change, PrunedChannels)
    groups = parts(variant, side).groups
    for group, ranks in [(group, scores(layers, group, side).argsort(descending=True)) for group in groups]:
        gone = ranks[round(len(ranks) * child.lineage[-1].figures["units"][group.name]) :]
        for layer, places in group.inputs.items():
            layers[layer].weight[:, places[gone].flatten()] = 0.0
    assert torch.allclose(child(images), module(images), atol=1e-4)


def scores(layers: dict[str, nn.Module], group: object, side: str) -> Tensor:
    """Written out once more: the sum of squares of all filters that give a channel, or weights that take it."""
    members: dict[str, Tensor] = getattr(group, {"filter": "outputs", "channel": "inputs"}[side])
    total = torch.zeros(next(iter(members.values())).shape[0], dtype=torch.float64)
    for name, places in members.items():
        if isinstance(layers[name], (nn.Conv2d, nn.Linear)):
            weight = layers[name].weight.double()
            for channel, row in enumerate(places.tolist()):
                taken = weight[row] if side == "filter" else weight[:, row]
                total[channel] += taken.square().sum()
    return total


@pytest.mark.parametrize("granularity", ["weight", "kernel", "filter", "channel"])
@pytest.mark.parametrize("share", [0.4, 0.75])
def test_a_budget_of_bytes_is_met_by_the_file(granularity: str, share: float, sample: Dataset, tmp_path: Path) -> None:
    variant = Variant.of(ResNet8(width=24).module(seed=0), input_shape=(1, 8, 8), classes=10)
    child = prune(variant, sample, granularity, budget={"bytes": share})
    sizes = [brinell.save(one, tmp_path / "net.brinell", effort="fast") for one in (variant, child)]
    lineage = 700  # bytes at most that say what was done
    assert share * sizes[0] * 0.99 - lineage < sizes[1] < share * sizes[0] * 1.01 + lineage
    with pytest.raises(
        ConfigurationError, match=r"budget\.bytes: 0\.001 cannot be met: the smallest possible is 0\.\d+"
    ):
        prune(variant, sample, granularity, budget={"bytes": 0.001})


def test_what_comes_and_goes_together() -> None:
    found = {group.name: group for group in parts(network("option_b"), "filter").groups}
    assert list(found) == ["stem", "blocks.0.conv1", "blocks.1.conv1", "blocks.1.conv2", "blocks.2.conv1"]
    assert set(found["stem"].outputs) == {"stem", "bn", "blocks.0.conv2", "blocks.0.bn2"}
    assert set(found["stem"].inputs) == {"blocks.0.conv1", "blocks.1.conv1", "blocks.1.downsample.0"}
    found = {group.name: group for group in parts(network("option_a"), "filter").groups}
    assert list(found) == [f"model.layer{stage}.0.conv1" for stage in (1, 2, 3)]  # inner channels only
    chain = {group.name: group for group in parts(network("chain"), "filter").groups}
    assert chain["features.3"].inputs["classifier.1"].tolist() == [[4 * c + at for at in range(4)] for c in range(10)]
    single = {group.name: group for group in parts(network("depthwise"), "filter").groups}
    assert set(single["0"].outputs) == {"0", "1", "3", "4"}
    joined = {group.name: group for group in parts(network("concatenation"), "filter").groups}
    assert joined["right"].inputs["head"].flatten().tolist() == [8, 9, 10, 11]


@structures
def test_everything_that_is_paid_for_falls(name: str, sample: Dataset, tmp_path: Path) -> None:
    variant = network(name)
    child = prune(variant, sample, "filter")
    before, after = costs.measure(variant), costs.measure(child)
    assert after.macs < before.macs
    assert after.parameters < before.parameters
    assert after.dense_bytes < before.dense_bytes
    assert brinell.save(child, tmp_path / "child.brinell") < brinell.save(variant, tmp_path / "parent.brinell")


@sides
def test_a_pruned_model_loads_without_a_skeleton_and_goes_on(
    side: str, baseline: Variant, sample: Dataset, tmp_path: Path
) -> None:
    child = prune(baseline, sample, side, QUICK)
    path = tmp_path / "child.brinell"
    brinell.save(child, path)
    loaded = brinell.load(path)
    images = sample.tensors()[0][:8]
    assert torch.equal(loaded(images), child(images))
    again = prune(loaded, sample, side, QUICK, budget={"macs": 0.6})
    assert [change.kind for change in again.structure] == ["narrower", "narrower"]
    assert costs.measure(again).macs <= 0.6 * costs.measure(child).macs
    for compressor in (INQ(train=QUICK), XNORNet(train=QUICK), Prune(train=QUICK)):
        further = compressor.compress(loaded, sample, seed=0)
        brinell.save(further, path)
        assert torch.equal(brinell.load(path)(images), further(images))


def test_a_users_own_module_is_narrowed_from_its_skeleton(sample: Dataset, tmp_path: Path) -> None:
    variant = structure("option_b")
    child = prune(variant, sample, "channel", QUICK)
    path = tmp_path / "child.brinell"
    brinell.save(child, path)
    images = sample.tensors()[0][:8]
    assert torch.equal(brinell.load(path, model=STRUCTURES["option_b"]())(images), child(images))


def test_rounds_remove_channels_step_by_step(baseline: Variant, sample: Dataset) -> None:
    once = prune(baseline, sample, "filter", QUICK)
    thrice = prune(baseline, sample, "filter", QUICK, rounds=3)
    shapes = [{name: tensor.shape for name, tensor in child.tensors.items()} for child in (once, thrice)]
    assert shapes[0] == shapes[1]
    assert len(thrice.structure) == 1


def test_kernels_become_zero_as_a_whole_and_the_smallest_first(baseline: Variant, sample: Dataset) -> None:
    child = prune(baseline, sample, "kernel", QUICK, budget={"sparsity": 0.4})
    before, after = baseline.deployed(), dict(child.deployed().named_modules())
    kernels = 0
    for name, layer in before.named_modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            norms = layer.weight.flatten(2).norm(dim=2) if layer.weight.dim() > 2 else layer.weight.abs()
            now = after[name].weight
            alive = (now != 0).flatten(2).any(2) if now.dim() > 2 else now != 0
            assert torch.equal((now != 0).flatten(1).sum(1), (alive.sum(1) * (now[0, 0].numel())))
            assert norms[~alive].max() <= norms[alive].min()
            kernels += int(alive.sum())
    assert 1 - costs.measure(child).nonzero / costs.measure(child).weights == pytest.approx(0.4, abs=2e-3)
    assert kernels


def test_shares_are_given_by_layer_and_the_rest_share_alike(baseline: Variant, sample: Dataset) -> None:
    child = prune(baseline, sample, "filter", rates={"model.layer1.0.conv1": 0.75}, budget={"macs": 0.6})
    kept = child.lineage[-1].figures["units"]
    assert kept["model.layer1.0.conv1"] == 0.75
    rest = {share for name, share in kept.items() if name != "model.layer1.0.conv1"}
    assert max(rest) - min(rest) <= 0.125
    assert child.lineage[-1].settings["rates"] == {"kind": "layers", "shares": [["model.layer1.0.conv1", 0.75]]}
    assert Prune.parse(child.lineage[-1].settings) == Prune.parse(
        {"granularity": "filter", "rates": {"model.layer1.0.conv1": 0.75}, "budget": {"macs": 0.6}, "train": STILL}
    )


class Branching(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(1, 4, 3), nn.Linear(4, 10)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc(self.conv(x).detach().mean((2, 3)))
        return out.detach()


HOPELESS = {
    "grouped": (Grouped(), {}, ModelError, "Grouped has no channels that could be removed"),
    "untraceable": (Branching(), {}, ModelError, "torch-pruning cannot trace it|no channels that could be removed"),
    "budget": (
        None,
        {"budget": {"macs": 0.005}},
        ConfigurationError,
        r"0\.005 cannot be met: the smallest possible is 0\.\d+, with one channel",
    ),
    "layer": (
        None,
        {"rates": {"stem": 0.5, "blocks": 0.5}},
        ConfigurationError,
        "rates: 'blocks' is no layer that is pruned here; these are: stem, ",
    ),
    "shares": (
        None,
        {"rates": {"stem": 1.0, "blocks.1.conv2": 1.0}, "budget": {"macs": 0.1}},
        ConfigurationError,
        "rates: the shares given keep",
    ),
}


@pytest.mark.parametrize(("module", "fields", "error", "message"), HOPELESS.values(), ids=HOPELESS)
def test_what_cannot_be_done_is_said_before_training(
    module: nn.Module | None, fields: dict[str, object], error: type[Exception], message: str, sample: Dataset
) -> None:
    variant = structure("option_b") if module is None else Variant.of(module, input_shape=(1, 8, 8), classes=10)

    def no_training(label: str, done: float, total: float) -> None:
        raise AssertionError("training began")

    with pytest.raises(error, match=message):
        Prune.parse({"granularity": "filter", **fields}).compress(variant, sample, seed=0, progress=no_training)


@pytest.mark.parametrize(
    ("rates", "message"),
    [
        ({"conv1": 0}, "rates.shares: conv1: expected a share above 0 and up to 1, not 0"),
        ({"conv1": 1.5}, "conv1: expected a share above 0 and up to 1, not 1.5"),
        ({}, "rates.shares: at least one is needed"),
        ({"conv1": "much"}, "expected a number or a ratio"),
    ],
    ids=str,
)
def test_bad_shares_are_refused_by_name(rates: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Prune.parse({"rates": rates})
