"""OpenVINO on bits and on whole numbers, against PyTorch layer by layer."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from brinell.compressors import Int8
from brinell.container import export_openvino
from brinell.core import ModelError, UnsupportedError
from brinell.data import DATASETS
from brinell.nn import BinaryLayer
from brinell.nn.onnx_graph import OnnxNetwork, quantize, to_onnx
from brinell.runtimes import CompiledNetwork, OpenVINO
from brinell.runtimes.openvino_binary import fits_bits
from brinell.runtimes.openvino_model import to_openvino
from brinell.runtimes.openvino_saturation import openvino_saturates
from brinell.variants import Variant
from runtimes import networks

LAYERS = {
    "8 channels": {"inputs": 8, "outputs": 8},
    "16 to 32": {"inputs": 16, "outputs": 32},
    "64 to 64": {"inputs": 64, "outputs": 64},
    "37 to 5": {"inputs": 37, "outputs": 5},
    "1 to 1": {"inputs": 1, "outputs": 1},
    "70 to 130": {"inputs": 70, "outputs": 130},
    "stride 2": {"inputs": 16, "outputs": 24, "stride": 2},
    "stride 3 by 1": {"inputs": 16, "outputs": 24, "stride": (3, 1)},
    "no padding": {"inputs": 12, "outputs": 9, "padding": 0},
    "padding 2": {"inputs": 12, "outputs": 9, "padding": 2},
    "padding 0 by 1": {"inputs": 12, "outputs": 9, "padding": (0, 1)},
    "dilation 2": {"inputs": 24, "outputs": 8, "dilation": 2, "padding": 2},
    "1 x 1": {"inputs": 40, "outputs": 17, "kernel_size": 1, "padding": 0},
    "5 x 5": {"inputs": 9, "outputs": 7, "kernel_size": 5, "padding": 2},
    "1 x 3": {"inputs": 9, "outputs": 7, "kernel_size": (1, 3), "padding": (0, 1)},
    "bias": {"inputs": 10, "outputs": 7, "bias": True},
    "without bias": {"inputs": 10, "outputs": 7, "bias": False},
    "input scale": {"inputs": 19, "outputs": 8, "input_scale": True},
    "input scale, stride 2": {"inputs": 16, "outputs": 8, "input_scale": True, "stride": 2},
    "2 x 3 bases": {"inputs": 16, "outputs": 9, "bases": (2, 3)},
    "5 x 5 bases, stride 2": {"inputs": 21, "outputs": 9, "bases": (5, 5), "stride": 2},
    "3 x 1 bases": {"inputs": 8, "outputs": 9, "bases": (3, 1), "bias": True},
}
DENSE = {
    "groups": {"inputs": 16, "outputs": 16, "groups": 2},
    "depthwise": {"inputs": 16, "outputs": 16, "groups": 16, "input_scale": True},
    "7 x 7": {"inputs": 8, "outputs": 4, "kernel_size": 7, "padding": 3},
    "strided and dilated": {"inputs": 8, "outputs": 4, "stride": 2, "dilation": 2},
}


class Alone(nn.Module):
    """One layer, as a network: its outputs flattened are the logits."""

    def __init__(self, layer: BinaryLayer) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x).flatten(1)


def inputs_at_thresholds(layer: BinaryLayer, count: int, size: tuple[int, int]) -> torch.Tensor:
    """Inputs of which many are zero, and many exactly where the layer's batch norm is zero."""
    draw, norm = torch.Generator().manual_seed(3), layer.norm
    x = torch.randn(count, layer.in_channels, *size, generator=draw)
    border = (norm.running_mean - norm.bias * (norm.running_var + norm.eps).sqrt() / norm.weight)[:, None, None]
    choice = torch.randint(0, 4, x.shape, generator=draw)
    return torch.where(choice == 0, 0.0, torch.where(choice == 1, border.expand_as(x), x))


@pytest.mark.parametrize("name", LAYERS)
def test_a_binary_layer_is_exact(name: str) -> None:
    layer = networks.binary_layer(**LAYERS[name])
    assert fits_bits(layer)
    size = (9, 7)
    network = OpenVINO().deploy(Alone(layer), (layer.in_channels, *size))
    for count in (1, 3):
        x = inputs_at_thresholds(layer, count, size)
        expected = layer(x).flatten(1)
        # Sums of signs are exact; factors and their sum are rounded in another order.
        assert torch.allclose(network(x), expected, rtol=0, atol=2e-6 * float(expected.abs().max()))
    if torch.backends.cpu.get_cpu_capability() != "DEFAULT":
        assert any(kernel.startswith("BinaryConvolution jit") for kernel in network.kernels)


@pytest.mark.parametrize("name", DENSE)
def test_a_layer_that_has_no_kernel_is_computed_in_float(name: str) -> None:
    layer = networks.binary_layer(**DENSE[name])
    assert not fits_bits(layer)
    x = torch.randn(3, layer.in_channels, 9, 7, generator=torch.Generator().manual_seed(2))
    network = OpenVINO().deploy(Alone(layer), (layer.in_channels, 9, 7))
    assert torch.allclose(network(x), layer(x).flatten(1), atol=1e-4)


def test_a_sum_of_signs_is_a_whole_number_to_the_bit() -> None:
    layer = networks.binary_layer(24, 16, bias=False)
    layer.scale.fill_(1)
    x = inputs_at_thresholds(layer, 5, (11, 6))
    assert torch.equal(OpenVINO().deploy(Alone(layer), (24, 11, 6))(x), layer(x).flatten(1))


@pytest.mark.parametrize(
    "variant",
    [networks.xnor(), networks.xnor(input_scale=True), networks.abc(3, 2)],
    ids=["xnor", "input scale", "abc"],
)
def test_whole_binary_networks_in_odd_batches(variant: Variant) -> None:
    reference, network = variant.deployed(), variant.deployed("openvino")
    for count in (1, 2, 7, 33):
        images = networks.images(count)
        differences = (network(images) - reference(images)).abs().amax(1) / reference(images).abs().max()
        assert float(differences.median()) < 1e-5


def test_bits_stay_bits_in_the_graph() -> None:
    operations = [node.get_type_name() for node in to_openvino(networks.abc(3, 2).deployed(), networks.SHAPE).get_ops()]
    assert operations.count("BinaryConvolution") == 6 * 6
    assert operations.count("FakeQuantize") == 6 * 2


def test_float_networks_are_computed_in_float32() -> None:
    network = networks.resnet8().deployed("openvino")
    images = networks.images(16)
    assert isinstance(network, CompiledNetwork)
    assert float((network(images) - networks.resnet8().deployed()(images)).abs().max()) < 1e-5
    assert not [kernel for kernel in network.kernels if "bf16" in kernel]


def test_int8_networks_have_a_second_runtime() -> None:
    data = DATASETS.parse("digits", "data").load("train").take(64)
    int8 = Int8(calibration_examples=32).compress(networks.resnet8(), data, seed=0)
    images, _ = data.tensors()
    logits = [int8.deployed(name)(images) for name in ("reference", "openvino")]
    assert float((logits[0].argmax(1) == logits[1].argmax(1)).double().mean()) > 0.9
    assert float((logits[0] - logits[1]).abs().mean() / logits[0].abs().max()) < 0.03
    with pytest.raises(ModelError, match="compiled for images"):
        int8.deployed("openvino")(torch.rand(1, 1, 4, 4))


def test_int8_networks_of_8_bits_are_refused_where_sums_saturate(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    data = DATASETS.parse("digits", "data").load("train").take(32)
    eight = Int8(calibration_examples=32, reduce_range=False).compress(networks.resnet8(), data, seed=0)
    monkeypatch.setattr("brinell.runtimes.openvino.openvino_saturates", lambda: True)
    with pytest.raises(UnsupportedError, match="sums of products with weights of 8 bits saturate"):
        eight.deployed("openvino")
    with pytest.raises(UnsupportedError, match="sums of products with weights of 8 bits saturate"):
        export_openvino(eight, tmp_path / "model")
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr("brinell.runtimes.openvino.openvino_saturates", lambda: False)
    assert eight.deployed("openvino")(data.tensors()[0]).shape == (32, 10)


def test_saturating_sums_are_told_by_computing_one() -> None:
    """Whichever it is here, a network of bright images and large weights is right where sums do not saturate."""
    module = nn.Sequential(nn.Conv2d(1, 16, 3), nn.Flatten(), nn.Linear(16 * 36, 10))
    torch.nn.init.constant_(module[0].weight, 0.5)
    torch.nn.init.constant_(module[2].weight, 0.5)
    images = torch.ones(8, 1, 8, 8)
    graph = quantize(
        to_onnx(module.eval(), (1, 8, 8)), images, calibration="minmax", per_channel=True, reduce_range=False
    )
    compiled = OpenVINO()._network(to_openvino(OnnxNetwork.of(graph), (1, 8, 8)), OnnxNetwork.of(graph), (1, 8, 8))
    exact = torch.allclose(compiled(images), module(images), rtol=0.1)
    assert exact != openvino_saturates()


def test_strides_paddings_and_dilations_together() -> None:
    for stride, padding, dilation in ((1, 0, 2), (1, 2, 1), (1, 1, 2), (2, 0, 1), (2, 1, 1), (2, 2, 1), (3, 1, 1)):
        layer = networks.binary_layer(20, 6, stride=stride, padding=padding, dilation=dilation)
        x = inputs_at_thresholds(layer, 2, (8, 10))
        network = OpenVINO().deploy(Alone(layer), (20, 8, 10))
        assert torch.allclose(network(x), layer(x).flatten(1), atol=1e-5), (stride, padding, dilation)
