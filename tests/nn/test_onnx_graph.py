"""Graphs: PyTorch's modules, ONNX Runtime and the twin compute one function; what strangers could hide is refused."""

from __future__ import annotations

import copy
import itertools
import time

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, fx, nn

from brinell.core import ModelError, UnsupportedError
from brinell.models import build
from brinell.nn import fold_batch_norms
from brinell.nn.onnx_graph import (
    FakeQuantized,
    OnnxNetwork,
    int8_mac_share,
    open_session,
    parse,
    quantize,
    run_session,
    to_onnx,
    weight_bits,
)

FLOAT = TensorProto.FLOAT


class Everything(nn.Module):
    """Most operations that classifiers are exported to."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(2, 8, 3, stride=2, padding=1)
        self.deep = nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=8, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.last = nn.Linear(8, 5)
        self.free = nn.Parameter(torch.randn(5, 4))

    def forward(self, x: Tensor) -> Tensor:
        x = x.flip(1) / 0.5 - 0.25
        x = nn.functional.leaky_relu(self.first(x), 0.2)
        x = nn.functional.max_pool2d(x, 3, 2, ceil_mode=True)
        x = x + self.norm(nn.functional.hardswish(self.deep(x)))
        x = torch.cat([x[:, ::2], x[:, 1::2].sigmoid().tanh()], 1)
        x = nn.functional.pad(x, (1, 0, 2, 1)).clamp(-1, 0.9)
        x = nn.functional.avg_pool2d(x, 2, 1, padding=1)
        x = x.mean((2, 3)).unsqueeze(2).squeeze(2)
        return self.last(x.relu()) @ self.free


@pytest.fixture(scope="module")
def everything() -> nn.Module:
    torch.manual_seed(3)
    module = Everything()
    module.norm.running_mean.normal_()
    return module.eval().requires_grad_(False)


def test_one_function_three_ways(everything: nn.Module) -> None:
    network = OnnxNetwork.of(to_onnx(everything, (2, 13, 10)))
    images = torch.rand(7, 2, 13, 10)
    expected = everything(images)
    torch.testing.assert_close(network(images), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(network.fake_quantized()(images), expected, rtol=1e-4, atol=1e-5)


def test_the_twins_gradient_is_that_of_the_module(everything: nn.Module) -> None:
    fake_quantized = OnnxNetwork.of(to_onnx(everything, (2, 13, 10))).fake_quantized()
    gradients = []
    for module in (everything, fake_quantized):
        images = torch.rand(3, 2, 13, 10, generator=torch.Generator().manual_seed(0)).requires_grad_()
        gradients += torch.autograd.grad(module(images).square().sum(), images)
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-6)


@pytest.fixture(scope="module")
def quantised() -> tuple[nn.Module, bytes]:
    torch.manual_seed(0)
    module = build("resnet8")
    images = torch.rand(100, 1, 8, 8)
    return module, quantize(
        to_onnx(module, (1, 8, 8)), images, calibration="minmax", per_channel=True, reduce_range=True
    )


def test_the_twin_of_a_quantised_graph_agrees_to_a_step(quantised: tuple[nn.Module, bytes]) -> None:
    network, images = OnnxNetwork.of(quantised[1]), torch.rand(400, 1, 8, 8)
    with torch.no_grad():
        deployed, fake_quantized = network(images), network.fake_quantized()(images)
    levels = deployed.unique()
    step = float(levels.diff().min())
    assert len(levels) <= 256  # the output is quantised as well
    assert float((deployed - fake_quantized).abs().max()) < 2.5 * step
    assert float((deployed == fake_quantized).double().mean()) > 0.9
    assert float((deployed.argmax(1) == fake_quantized.argmax(1)).double().mean()) > 0.97


def test_all_of_it_runs_in_int8_kernels(quantised: tuple[nn.Module, bytes]) -> None:
    module, graph = quantised
    assert int8_mac_share(graph, torch.rand(1, 1, 8, 8)) >= 0.95
    assert int8_mac_share(to_onnx(module, (1, 8, 8)), torch.rand(1, 1, 8, 8)) == 0


class Saturating(nn.Module):
    """Filters of one value each and bright images: pairs of products are twice what 16 bits hold."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.linear = nn.Conv2d(3, 8, 3), nn.Linear(8 * 36, 10)
        with torch.no_grad():
            self.convolution.weight.copy_(torch.linspace(0.1, 1, 8).view(8, 1, 1, 1).expand(8, 3, 3, 3))
            self.linear.weight.copy_(torch.linspace(0.1, 1, 10).view(10, 1).expand(10, 8 * 36))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.linear(self.convolution(images).relu().flatten(1))


@pytest.mark.parametrize(("reduce_range", "bits"), [(False, 8), (True, 7)])
def test_sums_of_products_do_not_saturate_on_any_processor(reduce_range: bool, bits: int) -> None:
    """On a processor without VNNI, ONNX Runtime's default instructions lose half of such sums."""
    images = 1 - torch.rand(40, 3, 8, 8) / 10
    graph = quantize(
        to_onnx(Saturating().eval(), (3, 8, 8)),
        images,
        calibration="minmax",
        per_channel=True,
        reduce_range=reduce_range,
    )
    assert weight_bits(graph) == bits
    network = OnnxNetwork.of(graph)
    with torch.no_grad():
        deployed, twin = network(images), network.fake_quantized()(images)
    torch.testing.assert_close(deployed, twin, rtol=0.02, atol=0)


def test_quantisation_rounds_half_to_even_clamps_and_lets_gradients_straight_through() -> None:
    scale, zero = numpy_helper.from_array(np.float32(0.5), "s"), numpy_helper.from_array(np.uint8(2), "z")
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["d"]),
        helper.make_node("Flatten", ["d"], ["y"]),
    ]
    data = graph(nodes, [scale, zero], (1, 1, 8))
    images = torch.tensor([0.25, 0.75, 0.76, -1.0, -1.26, -9.0, 126.5, 127.0]).view(1, 1, 1, 8).requires_grad_()
    out = FakeQuantized(parse(data))(images)
    assert out[0].tolist() == [0.0, 1.0, 1.0, -1.0, -1.0, -1.0, 126.5, 126.5]
    assert torch.equal(run_session(open_session(data), images), out.detach())
    (gradient,) = torch.autograd.grad(out.sum(), images)
    assert gradient.flatten().tolist() == [1, 1, 1, 1, 0, 0, 1, 0]


def test_a_copy_opens_its_own_session(quantised: tuple[nn.Module, bytes]) -> None:
    network, images = OnnxNetwork.of(quantised[1]).eval(), torch.rand(2, 1, 8, 8)
    said = network(images)
    copied = copy.deepcopy(network)
    assert copied._session is None
    assert torch.equal(copied(images), said)
    assert list(network.state_dict()) == ["onnx"]
    with pytest.raises(ModelError, match=r"cannot run images \(2, 1, 9, 9\)"):
        network(torch.rand(2, 1, 9, 9))


def test_a_tracer_is_refused_and_sees_a_copy(quantised: tuple[nn.Module, bytes]) -> None:
    """Attacks fold batch norms by tracing; what stands in for images there must never reach ONNX Runtime."""
    network, images = OnnxNetwork.of(quantised[1]).eval(), torch.rand(3, 1, 8, 8)
    with pytest.raises(ModelError, match="takes tensors, not Proxy"):
        fx.Tracer().trace(network)
    assert torch.equal(fold_batch_norms(network)(images), network(images))
    assert torch.equal(network(images.double()), network(images))


def test_what_onnx_cannot_say_is_told() -> None:
    class Odd(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.linalg.svdvals(x).flatten(1)

    with pytest.raises(UnsupportedError, match=r"onnx: Odd cannot be exported: "):
        to_onnx(Odd(), (1, 4, 4))


# Graphs from strangers


def graph(nodes: list, constants: list, shape: tuple[int, ...] = (3, 8, 8), opset: int = 17, **parts) -> bytes:
    made = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", FLOAT, ["batch", *shape])],
        [helper.make_tensor_value_info("y", FLOAT, None)],
        constants,
        **parts,
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    return model.SerializeToString()


def external() -> TensorProto:
    tensor = numpy_helper.from_array(np.zeros((4, 3, 1, 1), np.float32), "w")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    return tensor


def short() -> TensorProto:
    tensor = numpy_helper.from_array(np.zeros((4, 3, 1, 1), np.float32), "w")
    tensor.dims[0] = 1 << 40
    return tensor


def doubling() -> list:
    names = ["x", *(f"c{turn}" for turn in range(40)), "y"]
    return [helper.make_node("Concat", [a, a], [b], axis=1) for a, b in itertools.pairwise(names)]


ONES = numpy_helper.from_array(np.ones((1, 1 << 15), np.float32), "a")
STANDING = numpy_helper.from_array(np.ones((1 << 14, 1), np.float32), "b")
WIDE = numpy_helper.from_array(np.array([0, 0, 1 << 20, 1 << 20, 0, 0, 1 << 20, 1 << 20], np.int64), "p")
LOOP = helper.make_node("Loop", ["", ""], ["y"], body=helper.make_graph([], "b", [], []))

HOSTILE = {
    "tensors in other files": ([helper.make_node("Conv", ["x", "w"], ["y"])], [external()], "lies in another file"),
    "tensors that are not there": ([helper.make_node("Conv", ["x", "w"], ["y"])], [short()], "'w' is damaged"),
    "graphs in nodes": ([LOOP], [], "unknown operation 'Loop'"),
    "operations of others": (
        [helper.make_node("Run", ["x"], ["y"], domain="evil")],
        [],
        r"unknown operation evil\.'Run'",
    ),
    "doubling": (doubling(), [], "more than 268435456 numbers"),
    "padding": ([helper.make_node("Pad", ["x", "p"], ["y"])], [WIDE], "more than 268435456 numbers"),
    "constants that grow": (
        [helper.make_node("Mul", ["a", "b"], ["c"]), helper.make_node("Add", ["x", "c"], ["y"])],
        [ONES, STANDING],
        "more than 268435456 numbers",
    ),
    "circles": ([helper.make_node("Add", ["x", "y"], ["y"])], [], "needs 'y', which nothing before it computes"),
    "nothing": ([], [], "nothing computes the output 'y'"),
    "shapes that do not fit": (
        [helper.make_node("Conv", ["x", "w"], ["y"])],
        [numpy_helper.from_array(np.zeros((4, 5, 1, 1), np.float32), "w")],
        "Conv .* cannot be computed",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_strangers_graphs_are_refused_before_onnx_runtime_sees_them(name: str) -> None:
    nodes, constants, message = HOSTILE[name]
    data, began = graph(nodes, constants), time.process_time()
    for use in (lambda: OnnxNetwork.of(data).fake_quantized(), lambda: OnnxNetwork.of(data)(torch.rand(1, 3, 8, 8))):
        with pytest.raises(ModelError, match=message):
            use()
    assert time.process_time() - began < 2


@pytest.mark.parametrize("seed", range(150))
def test_bytes_changed_anywhere_are_refused_or_run(quantised: tuple[nn.Module, bytes], seed: int) -> None:
    draw = np.random.default_rng(seed)
    data = bytearray(quantised[1])
    for at in draw.integers(0, len(data), 4):
        data[at] = draw.integers(256)
    try:
        said = OnnxNetwork.of(bytes(data)).fake_quantized()(torch.rand(1, 1, 8, 8))
    except ModelError as error:
        assert str(error).startswith("onnx: ")  # noqa: PT017
        return
    assert said.shape[0] == 1


@pytest.mark.parametrize("opset", [7, 99])
def test_versions_that_are_not_known(opset: int) -> None:
    with pytest.raises(ModelError, match=f"opset {opset} is not known; accepted: 13 to 23"):
        parse(graph([], [], opset=opset))


def test_shapes_of_inputs() -> None:
    with pytest.raises(ModelError, match=r"expected an input of \(batch, channels, height, width\)"):
        parse(graph([], [], (1 << 20, 8, 8)))
    with pytest.raises(ModelError, match=r"the graph is damaged|opset 0"):
        parse(b"\xff" * 40)
