"""Costs against figures counted by hand and printed in BreakingBED's Table 1."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from brinell.core import ConfigurationError, ModelError
from brinell.costs import Costs, layers, measure
from brinell.models import build
from brinell.nn import BinaryConv2d, LatentBinaryConv2d, deploy, replace


def binary(kind: str, layer: type[BinaryConv2d] = BinaryConv2d) -> nn.Module:
    """A residual network whose convolutions are binary but for the first, as in the paper's XNOR rows."""
    model = build(kind)
    names = [name for name, part in model.named_modules() if isinstance(part, nn.Conv2d)]
    for name in names[1:]:
        replace(model, name, layer(model.get_submodule(name)))
    return model.eval()


@pytest.mark.parametrize(
    ("kind", "weights", "macs", "memory", "ncc"),
    [("resnet20", 268_336, 40_551_040, 1.07, 41), ("resnet56", 848_944, 125_485_696, 3.40, 125)],
)
def test_float_networks_of_table_1(kind: str, weights: int, macs: int, memory: float, ncc: float) -> None:
    costs = measure(build(kind))
    assert (costs.weights, costs.nonzero, costs.macs, costs.xnor_ops) == (weights, weights, macs, 0)
    assert round(costs.memory_mb, 2) == memory
    assert costs.ncc == macs
    assert round(costs.ncc / 1e6) == ncc


@pytest.mark.parametrize(("kind", "memory", "ncc"), [("resnet20", 0.04, 1.3), ("resnet56", 0.11, 3.0)])
@pytest.mark.parametrize("layer", [BinaryConv2d, LatentBinaryConv2d])
def test_xnor_networks_of_table_1(kind: str, memory: float, ncc: float, layer: type[BinaryConv2d]) -> None:
    costs, dense = measure(binary(kind, layer)), measure(build(kind))
    assert round(costs.memory_mb, 2) == memory
    assert round(costs.ncc / 1e6, 1) == ncc
    assert costs.weights == costs.nonzero == dense.weights
    assert costs.macs + costs.xnor_ops == dense.macs
    assert costs.macs == 32 * 32 * 27 * 16 + 640


def test_layers_come_in_order_of_execution_with_their_shapes() -> None:
    class Backwards(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last = nn.Linear(6, 5)
            self.middle = nn.Conv2d(4, 6, 3, stride=2, bias=True)
            self.first = BinaryConv2d(nn.Conv2d(3, 4, 3, padding=1))

        def forward(self, x: Tensor) -> Tensor:
            return self.last(self.middle(self.first(x)).mean((2, 3)))

    first, middle, last = layers(Backwards(), (3, 9, 7))
    assert (first.name, first.kind, first.output_shape) == ("first", "binary", (4, 9, 7))
    assert (first.weights, first.macs, first.xnor_ops) == (108, 0, 108 * 9 * 7)
    assert (middle.name, middle.kind, middle.output_shape) == ("middle", "float", (6, 4, 3))
    assert (middle.weights, middle.macs, middle.xnor_ops) == (216, 216 * 4 * 3, 0)
    assert (last.name, last.weights, last.macs, last.output_shape) == ("last", 30, 30, (5,))


@pytest.mark.parametrize(
    ("part", "weights", "macs"),
    [
        (nn.Conv2d(8, 8, 3, padding=1, groups=8), 8 * 9, 8 * 9 * 25),  # depthwise
        (nn.Conv2d(8, 12, 3, padding=1, groups=4), 12 * 2 * 9, 12 * 2 * 9 * 25),
        (nn.Conv2d(8, 12, 1), 96, 96 * 25),
        (nn.Conv2d(8, 2, (3, 1), dilation=2), 2 * 8 * 3, 2 * 8 * 3 * 1 * 5),
        (nn.ConvTranspose2d(8, 6, 2, stride=2, groups=2), 8 * 3 * 4, 8 * 3 * 4 * 25),
        (nn.Linear(5, 7), 35, 35 * 8 * 5),  # over the last axis of (8, 5, 5)
        (BinaryConv2d(nn.Conv2d(8, 12, 3, padding=1, groups=4)), 12 * 2 * 9, 12 * 2 * 9 * 25),
    ],
)
def test_one_layer_by_hand(part: nn.Module, weights: int, macs: int) -> None:
    (layer,) = layers(nn.Sequential(part), (8, 5, 5))
    assert (layer.weights, layer.macs + layer.xnor_ops) == (weights, macs)


def test_a_layer_that_runs_twice_is_stored_once_and_computed_twice() -> None:
    shared = nn.Conv2d(4, 4, 3, padding=1)
    once, twice = (measure(nn.Sequential(*[shared] * runs), (4, 6, 6)) for runs in (1, 2))
    assert twice.weights == once.weights == 144
    assert twice.macs == 2 * once.macs


def test_a_layer_that_does_not_run_in_evaluation_is_stored() -> None:
    class Auxiliary(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.auxiliary, self.main = nn.Linear(12, 3), nn.Linear(12, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.auxiliary(x.flatten(1)) if self.training else self.main(x.flatten(1))

    main, auxiliary = layers(Auxiliary().train(), (3, 2, 2))
    assert (main.name, main.macs) == ("main", 24)
    assert (auxiliary.name, auxiliary.weights, auxiliary.macs, auxiliary.output_shape) == ("auxiliary", 36, 0, ())


def test_sparse_skips_zero_weights_in_memory_and_macs_only() -> None:
    model = build("resnet20")
    layer = model.get_submodule("model.layer2.0.conv2")
    assert isinstance(layer, nn.Conv2d)
    with torch.no_grad():
        layer.weight.view(-1)[::4] = 0
    zeros = layer.weight.numel() // 4
    dense, sparse = measure(model), measure(model, sparse=True)
    assert dense.memory_mb == measure(build("resnet20")).memory_mb
    assert sparse.nonzero == dense.nonzero == dense.weights - zeros
    assert sparse.weights == dense.weights
    assert sparse.memory_mb == pytest.approx(dense.memory_mb - 4 * zeros / 1e6)
    assert sparse.macs == dense.macs - zeros * 16 * 16
    assert (sparse.parameters, sparse.dense_bytes) == (dense.parameters, dense.dense_bytes)


def test_sparse_leaves_binary_layers_as_they_are() -> None:
    model = binary("resnet20")
    assert measure(model, sparse=True) == measure(model)


def test_parameters_and_dense_bytes_by_hand() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))
    costs = measure(model, (3, 3, 3))
    assert costs.weights == 108 + 8
    assert costs.parameters == 108 + 4 + 2 * 4 + 8 + 2
    assert costs.dense_bytes == 4 * (costs.parameters + 2 * 4)  # running mean and variance; the counter is no float


def test_deployed_binary_layers_keep_their_parameters() -> None:
    latent = binary("resnet20", LatentBinaryConv2d)
    shipped = measure(deploy(latent))
    filters = sum(part.out_channels for part in latent.modules() if isinstance(part, BinaryConv2d))
    assert shipped.parameters == measure(latent).parameters + filters  # their scales, which latent layers compute
    assert shipped.dense_bytes == measure(latent).dense_bytes + 4 * filters


def test_a_variant_is_measured_as_it_ships() -> None:
    model = build("resnet8")
    variant = SimpleNamespace(input_shape=(1, 8, 8), deployed=lambda runtime=None: model)
    assert measure(variant) == measure(model) == measure(model, (1, 8, 8))
    assert measure(variant, (1, 16, 16)).macs > measure(variant).macs


def test_the_record_is_json_and_whole() -> None:
    costs = measure(build("resnet8"))
    assert Costs(**json.loads(json.dumps(costs.record()))) == costs


def test_counting_changes_nothing() -> None:
    model = build("resnet8").train()
    frozen = model.get_submodule("model.bn1").eval()
    next(model.parameters()).requires_grad_(False)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    flags = [parameter.requires_grad for parameter in model.parameters()]
    measure(model)
    assert model.training
    assert not frozen.training
    assert [parameter.requires_grad for parameter in model.parameters()] == flags
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert not any(part._forward_hooks for part in model.modules())


def test_hooks_and_modes_come_back_after_a_refused_image() -> None:
    model = build("resnet8").train()
    with pytest.raises(ModelError, match=r"does not accept one image of shape \(3, 8, 8\)"):
        measure(model, (3, 8, 8))
    assert model.training
    assert not any(part._forward_hooks for part in model.modules())


@pytest.mark.parametrize("shape", [(8, 8), (1, 0, 8), (1, 8.0, 8)])
def test_bad_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ConfigurationError, match="channels, height, width"):
        measure(build("resnet8"), shape)


def test_a_shape_that_nobody_says_is_asked_for() -> None:
    with pytest.raises(ConfigurationError, match="input_shape: missing"):
        measure(nn.Sequential(nn.Conv2d(1, 2, 3)))
