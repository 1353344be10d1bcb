"""ABC-Net: bases, calibration, and that what ships computes exactly what was trained."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import brinell
from brinell import costs
from brinell.compressors import ABCNet
from brinell.compressors.abc_calibration import fit_staircase
from brinell.core import ConfigurationError, ModelError
from brinell.data import Dataset
from brinell.nn import ABCConv2d, LatentABCConv2d
from brinell.training import Train, accuracy
from brinell.variants import ABCLayers, Variant

QUICK = Train(epochs=2, batch_size=50, learning_rate=0.005, optimizer="adamw", weight_decay=0)


@pytest.fixture(scope="module", params=[(1, 1), (3, 2)], ids=["1x1", "3x2"])
def binary(request: pytest.FixtureRequest, baseline: Variant, sample: Dataset) -> Variant:
    m, n = request.param
    train = QUICK.model_copy(update={"epochs": 6 if m == n == 1 else 2})
    return ABCNet(weight_bases=m, activation_bases=n, train=train).compress(baseline, sample, seed=0)


def test_what_ships_is_bits_alphas_and_staircases(binary: Variant) -> None:
    (change,) = binary.structure
    assert isinstance(change, ABCLayers)
    assert len(change.layers) == 6
    for name in change.layers:
        layer = binary.deployed().get_submodule(name)
        assert isinstance(layer, ABCConv2d)
        assert set(layer.bits.unique().tolist()) == {-1.0, 1.0}
        assert layer.bits.shape == (change.weight_bases, *layer.weight_shape)
        assert layer.alphas.shape == (change.weight_bases, layer.out_channels)
        assert len(layer.shifts.unique()) == change.activation_bases
        assert layer.heights.abs().min() > 0
    assert type(binary.deployed().get_submodule("model.conv1")) is nn.Conv2d


def test_the_deployed_logits_are_the_trained_ones_bit_for_bit(binary: Variant, sample: Dataset) -> None:
    images, _ = sample.tensors()
    trained = binary.trainable().eval()
    assert any(isinstance(layer, LatentABCConv2d) for layer in trained.modules())
    with torch.no_grad():
        assert torch.equal(binary.deployed()(images), trained(images))


def test_the_file_gives_the_same_tensors_back_at_a_bit_a_weight_and_base(binary: Variant, tmp_path: Path) -> None:
    path = tmp_path / "abc.brinell"
    brinell.save(binary, path)
    again = brinell.load(path)
    assert again.structure == binary.structure
    assert again.tensors.keys() == binary.tensors.keys()
    assert all(torch.equal(tensor, binary.tensors[name]) for name, tensor in again.tensors.items())
    (change,) = binary.structure
    codings = {tensor.name: (tensor.coding, tensor.encoded_bytes) for tensor in brinell.container.inspect(path).tensors}
    for name in change.layers:
        coding, size = codings[f"{name}.bits"]
        assert size <= binary.tensors[f"{name}.bits"].numel() / 8 + 24, (name, coding)


def test_it_learns(baseline: Variant, sample: Dataset) -> None:
    train = QUICK.model_copy(update={"epochs": 6})
    child = ABCNet(weight_bases=3, activation_bases=3, train=train).compress(baseline, sample, seed=0)
    assert accuracy(child.deployed(), sample) > 0.8  # with 4 channels; chance is 0.1


def test_calibration_starts_near_the_float_network(baseline: Variant, sample: Dataset) -> None:
    """Without any training, the first binary layer of many bases gives what its float convolution gives."""
    none = Train(epochs=0)
    images, _ = sample.tensors()
    seen: dict[str, Tensor] = {}

    def error(calibration: int) -> float:
        compressor = ABCNet(weight_bases=5, activation_bases=7, calibration=calibration, train=none)
        child = compressor.compress(baseline, sample, seed=0)
        for key, module in (("float", baseline.deployed()), ("binary", child.deployed())):
            layer = module.get_submodule("model.layer1.0.conv1")
            layer.register_forward_hook(lambda layer, inputs, out, key=key: seen.__setitem__(key, out))
            module(images)
        inner = {key: out[:, :, 1:-1, 1:-1] for key, out in seen.items()}
        centred = {key: out - out.mean((0, 2, 3), keepdim=True) for key, out in inner.items()}
        return float((centred["float"] - centred["binary"]).norm() / centred["float"].norm())

    assert error(300) < 0.5 < error(0)


def test_a_window_scales_inputs_and_weights_against_each_other(baseline: Variant, sample: Dataset) -> None:
    """Before training the network is the same function, and a mean step is 1 / window wide."""
    images, _ = sample.tensors()
    plain, wide = (
        ABCNet(weight_bases=3, activation_bases=3, window=window, train=Train(epochs=0)).compress(
            baseline, sample, seed=0
        )
        for window in (None, 2)
    )
    assert torch.allclose(plain(images), wide(images), atol=1e-3)
    layer = wide.deployed().get_submodule("model.layer2.0.conv1")
    assert isinstance(layer, ABCConv2d)
    assert float(2 * layer.heights.mean()) == pytest.approx(0.5, rel=1e-5)
    slopes = wide.trainable().get_submodule("model.layer2.0.conv1").norm.weight
    assert torch.allclose(slopes, slopes[0])
    assert "window" not in ABCNet().identity()
    with pytest.raises(ConfigurationError, match="window needs calibration"):
        ABCNet.parse({"window": 2, "calibration": 0})


@pytest.mark.filterwarnings("ignore:abc_net covers")
def test_a_bias_takes_the_constant_that_calibration_leaves() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(200, 2, 8, 8, generator=generator)
    data = brinell.data.from_tensors(images, torch.arange(200) % 2)
    module = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 3, groups=2), nn.Flatten(2))
    network = nn.Sequential(module, nn.AdaptiveAvgPool1d(1), nn.Flatten())
    variant = Variant.of(network, input_shape=(2, 8, 8), classes=2)
    child = ABCNet(weight_bases=5, activation_bases=9, train=Train(epochs=0)).compress(variant, data, seed=0)
    found, expected = child.deployed()(images), variant.deployed()(images)
    assert ((found.mean(0) - expected.mean(0)).abs() < 0.5 * expected.std(0)).all()


@pytest.mark.parametrize("count", [1, 2, 5])
def test_the_nearest_staircase_is_a_local_optimum(count: int) -> None:
    values = torch.randn(3000, generator=torch.Generator().manual_seed(1)).relu()
    thresholds, heights, middle = fit_staircase(values, count)
    assert (thresholds.diff() > 0).all()

    def error(at: Tensor, sizes: Tensor) -> float:
        steps = torch.where(values.double()[:, None] >= at, 1.0, -1.0).double() @ sizes
        return float((values - steps - middle).square().mean())

    best = error(thresholds, heights)
    for n, moved in itertools.product(range(count), (-0.05, 0.05)):
        nudge = moved * F.one_hot(torch.tensor(n), count)
        assert error(thresholds + nudge, heights) >= best - 1e-6
        assert error(thresholds, heights + nudge) > best


def test_two_levels_of_a_symmetric_pair_are_that_pair() -> None:
    thresholds, heights, middle = fit_staircase(torch.tensor([-1.0, -1.0, 3.0, 3.0]), 1)
    assert (thresholds.item(), heights.item(), middle.item()) == (1, 2, 1)


def test_a_constant_input_still_has_distinct_thresholds() -> None:
    thresholds, heights, _ = fit_staircase(torch.zeros(10), 3)
    assert len(thresholds.unique()) == 3
    assert heights.abs().max() > 0


def test_one_scale_a_base_for_the_whole_layer(baseline: Variant, sample: Dataset) -> None:
    child = ABCNet(weight_bases=2, scales="layer", train=QUICK).compress(baseline, sample, seed=0)
    assert child.deployed().get_submodule("model.layer1.0.conv1").alphas.shape == (2, 1)  # type: ignore[union-attr]


def test_the_costs_are_those_of_m_by_n(binary: Variant, baseline: Variant) -> None:
    (change,) = binary.structure
    counted, before = costs.measure(binary), costs.measure(baseline)
    figures = binary.lineage[-1].figures
    m, n = change.weight_bases, change.activation_bases
    assert counted.weights == before.weights == figures["binary_weights"] + figures["float_weights"]
    assert counted.xnor_ops == m * n * (before.macs - counted.macs)
    assert counted.memory_mb == (figures["float_weights"] * 4 + figures["binary_weights"] * m / 8) / 1e6


@pytest.mark.parametrize("field", ["weight_bases", "activation_bases"])
def test_fewer_than_one_base_is_refused(field: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{field}: .*greater than or equal to 1, not 0"):
        ABCNet.parse({field: 0})


def test_layers_may_be_left_float_by_name(baseline: Variant, sample: Dataset) -> None:
    child = ABCNet(float_layers=("model.layer2.0.conv1",), train=QUICK).compress(baseline, sample, seed=0)
    assert type(child.deployed().get_submodule("model.layer2.0.conv1")) is nn.Conv2d
    with pytest.raises(ConfigurationError, match=r"'layer9' is not a convolution of this model"):
        ABCNet(float_layers=("layer9",)).compress(baseline, sample, seed=0)


def test_a_model_without_a_second_convolution_is_refused(sample: Dataset) -> None:
    small = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, 10))
    with pytest.raises(ModelError, match="no convolution is left"):
        ABCNet().compress(Variant.of(small, input_shape=(1, 8, 8), classes=10), sample, seed=0)
