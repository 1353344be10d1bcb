"""ONNX classifiers become networks of PyTorch's layers that compute what ONNX Runtime computes."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from brinell.core import ModelError
from brinell.nn.graph import GraphNetwork, count_classes, read_onnx

onnx = pytest.importorskip("onnx", reason="needs the extra onnx")
runtime = pytest.importorskip("onnxruntime", reason="needs the extra onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

RANDOM = np.random.default_rng(0)


def numbers(name: str, *shape: int, low: float = -1.0) -> Any:
    return numpy_helper.from_array(RANDOM.uniform(low, 1, shape).astype(np.float32), name)


def integers(name: str, *values: int) -> Any:
    return numpy_helper.from_array(np.array(values, dtype=np.int64), name)


def scalar(name: str, value: float) -> Any:
    return numpy_helper.from_array(np.array(value, dtype=np.float32), name)


def save(path: Path, nodes: list[Any], constants: list[Any], batch: int | str = "n", opset: int = 17) -> Path:
    """A graph from `x`, three channels of 8 x 8, to `y`."""
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 3, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.save(model, path)
    return path


def head(source: str) -> list[Any]:
    """From maps to logits."""
    return [helper.make_node("GlobalAveragePool", [source], ["pooled"]), helper.make_node("Flatten", ["pooled"], ["y"])]


def node(kind: str, *inputs: str, out: str = "m", **attributes: Any) -> Any:
    return helper.make_node(kind, list(inputs), [out], **attributes)


W, B = numbers("w", 4, 3, 3, 3), numbers("b", 4)
CASES: dict[str, tuple[list[Any], list[Any]]] = {
    "conv": ([node("Conv", "x", "w", "b", strides=[2, 1], pads=[1, 0, 1, 0], dilations=[1, 2]), *head("m")], [W, B]),
    "groups": ([node("Conv", "x", "w", group=3), *head("m")], [numbers("w", 6, 1, 3, 3)]),
    "uneven": ([node("Conv", "x", "w", pads=[0, 1, 2, 0]), *head("m")], [W]),
    "same upper": ([node("Conv", "x", "w", strides=[2, 2], auto_pad="SAME_UPPER"), *head("m")], [W]),
    "same lower": ([node("Conv", "x", "w", strides=[2, 2], auto_pad="SAME_LOWER"), *head("m")], [W]),
    "norm": (
        [node("BatchNormalization", "x", "s", "t", "u", "v", epsilon=0.01), *head("m")],
        [numbers("s", 3), numbers("t", 3), numbers("u", 3), numbers("v", 3, low=0.1)],
    ),
    "instance norm": (
        [node("InstanceNormalization", "x", "s", "t"), node("Abs", "m", out="a"), *head("a")],
        [numbers("s", 3), numbers("t", 3)],
    ),
    "max pool": ([node("MaxPool", "x", kernel_shape=[3, 3], strides=[2, 2], pads=[0, 0, 1, 1]), *head("m")], []),
    "ceil": ([node("MaxPool", "x", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1), *head("m")], []),
    "average pool": (
        [node("AveragePool", "x", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]), *head("m")],
        [],
    ),
    "gemm": (
        [helper.make_node("Flatten", ["x"], ["f"]), node("Gemm", "f", "w", "b", out="y", transB=1)],
        [numbers("w", 5, 192), numbers("b", 5)],
    ),
    "gemm transposed": (
        [helper.make_node("Flatten", ["x"], ["f"]), node("Gemm", "f", "w", out="y")],
        [numbers("w", 192, 5)],
    ),
    "matmul": (
        [node("Reshape", "x", "to", out="f"), node("MatMul", "f", "w"), node("Add", "m", "b", out="y")],
        [integers("to", 0, -1), numbers("w", 192, 5), numbers("b", 5)],
    ),
    "a shape of the images": (
        [
            node("Shape", "x", out="s"),
            node("Gather", "s", "zero", out="n"),
            node("Unsqueeze", "n", "axes", out="one"),
            node("Concat", "one", "rest", out="to", axis=0),
            node("Reshape", "x", "to", out="f"),
            node("ReduceMax", "f", out="y", axes=[2], keepdims=0),
        ],
        [numpy_helper.from_array(np.array(0), "zero"), integers("axes", 0), integers("rest", 3, 64)],
    ),
    "slices": (
        [
            node("Slice", "x", "from", "to", "axes", "steps", out="a"),
            node("Transpose", "a", out="b", perm=[0, 1, 3, 2]),
            helper.make_node("Split", ["b", "sizes"], ["c", "d"], axis=3),
            node("Concat", "d", "c", out="e", axis=-1),
            node("Gather", "e", "which", out="f", axis=1),
            node("Gather", "f", "one", out="g", axis=2),
            node("ReduceSum", "g", "axes", out="y", keepdims=0),
        ],
        [
            *(integers("from", 1), integers("to", 1 << 40), integers("axes", 2), integers("steps", 2)),
            *(integers("sizes", 1, 3), integers("which", 2, 0), numpy_helper.from_array(np.array(1), "one")),
        ],
    ),
    "pads": (
        [
            node("Pad", "x", "p", "v", out="a"),
            node("Pad", "a", "q", out="b", mode="reflect"),
            node("Pad", "b", "q", out="c", mode="edge"),
            *head("c"),
        ],
        [integers("p", 0, 0, 1, 2, 0, 1, 0, 1), scalar("v", 0.5), integers("q", 0, 0, 1, 0, 0, 0, 2, 1)],
    ),
    "arithmetic": (
        [
            node("Sub", "one", "x", out="a"),
            node("Div", "a", "c", out="b"),
            node("Mul", "two", "b", out="d"),
            node("Max", "d", "x", out="e"),
            node("Min", "e", "c", out="f"),
            node("Pow", "f", "two", out="g"),
            node("Sqrt", "g", out="h"),
            node("Neg", "h", out="i"),
            *head("i"),
        ],
        [scalar("one", 1.0), scalar("two", 2.0), numbers("c", 3, 1, 1, low=0.2)],
    ),
    "attention": (
        [
            node("Reshape", "x", "to", out="a"),
            node("Transpose", "a", out="b", perm=[0, 2, 1]),
            node("MatMul", "a", "b", out="c"),
            node("Softmax", "c", out="d", axis=-1),
            node("MatMul", "d", "a", out="e"),
            node("LayerNormalization", "e", "s", "t", out="f"),
            node("ReduceMean", "f", out="y", axes=[-1], keepdims=0),
        ],
        [integers("to", 0, 3, 64), numbers("s", 64), numbers("t", 64)],
    ),
    "dropout": ([node("Dropout", "x", "r", out="a"), node("Cast", "a", out="m", to=1), *head("m")], [scalar("r", 0.4)]),
    "unsqueezed": (
        [
            node("GlobalMaxPool", "x", out="a"),
            node("Squeeze", "a", "axes", out="b"),
            node("Unsqueeze", "b", "new", out="c"),
            node("Expand", "c", "to", out="d"),
            node("ReduceMin", "d", out="y", axes=[1], keepdims=0),
        ],
        [integers("axes", 2, 3), integers("new", 1), integers("to", 1, 2, 3)],
    ),
}
PLAIN: dict[str, dict[str, Any]] = {
    **{name: {} for name in ("Relu", "Sigmoid", "Tanh", "HardSwish", "Softplus", "Erf", "Exp", "Abs", "Sign", "Selu")},
    "LeakyRelu": {"alpha": 0.2},
    "Elu": {"alpha": 0.7},
    "HardSigmoid": {"alpha": 0.3, "beta": 0.4},
    "LogSoftmax": {"axis": -1},
}
for name, settings in PLAIN.items():
    CASES[name] = ([node(name, "x", **settings), *head("m")], [])
CASES["Clip"] = ([node("Clip", "x", "low", "high"), *head("m")], [scalar("low", 0.2), scalar("high", 0.6)])
CASES["PRelu"] = ([node("PRelu", "x", "slope"), *head("m")], [numbers("slope", 3, 1, 1)])


def rebuilt(path: Path) -> GraphNetwork:
    graph, tensors = read_onnx(path)
    assert count_classes(graph) > 0
    network = GraphNetwork(graph)
    network.load_state_dict({name: tensor.detach() for name, tensor in tensors.items()})
    return network.eval()


@pytest.mark.parametrize("case", list(CASES))
def test_it_computes_what_onnx_runtime_computes(case: str, tmp_path: Path) -> None:
    path = save(tmp_path / "a.onnx", *CASES[case])
    images = torch.rand(3, 3, 8, 8) * 2 - 1
    (expected,) = runtime.InferenceSession(path.read_bytes()).run(None, {"x": images.numpy()})
    torch.testing.assert_close(rebuilt(path)(images), torch.from_numpy(expected), rtol=1e-4, atol=1e-5)


def test_layers_are_pytorchs_own_and_train(tmp_path: Path) -> None:
    nodes = [
        node("Conv", "x", "conv.weight", "conv.bias", out="a"),
        node("Relu", "a", out="b"),
        *head("b")[:1],
        helper.make_node("Flatten", ["pooled"], ["f"]),
        node("Gemm", "f", "onnx::Gemm_12", "b2", out="y", transB=1),
    ]
    constants = [
        numbers("conv.weight", 4, 3, 3, 3),
        numbers("conv.bias", 4),
        numbers("onnx::Gemm_12", 5, 4),
        numbers("b2", 5),
    ]
    network = rebuilt(save(tmp_path / "a.onnx", nodes, constants))
    assert [name for name, layer in network.named_modules() if isinstance(layer, (nn.Conv2d, nn.Linear))] == [
        "conv",
        "linear_4",
    ]
    network(torch.rand(2, 3, 8, 8)).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


class Classifier(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.fc = nn.Linear(144, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.conv(x).relu().view(x.size(0), -1))


@pytest.mark.parametrize("batch", [1, 2, None])
def test_any_number_of_images_whatever_number_it_was_exported_for(batch: int | None, tmp_path: Path) -> None:
    module = Classifier().eval()
    dynamic = {} if batch else {"input_names": ["x"], "dynamic_axes": {"x": {0: "n"}}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own advice
        torch.onnx.export(module, (torch.rand(batch or 2, 3, 8, 8),), tmp_path / "a.onnx", dynamo=False, **dynamic)
    network = rebuilt(tmp_path / "a.onnx")
    for count in (1, 2, 5):
        images = torch.rand(count, 3, 8, 8)
        torch.testing.assert_close(network(images), module(images))


def refusal(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        read_onnx(path)
    return str(caught.value)


def test_unknown_operations_are_all_named(tmp_path: Path) -> None:
    nodes = [
        node("Det", "x", out="a"),
        node("Relu", "a", out="b"),
        helper.make_node("Run", ["b"], ["y"], domain="evil"),
    ]
    message = refusal(save(tmp_path / "a.onnx", nodes, []))
    assert "unknown operations 'Det', evil.'Run'; known: Abs" in message or "'Det', evil.'Run'" in message
    assert message.startswith(f"{tmp_path / 'a.onnx'}: onnx: unknown operations")


@pytest.mark.parametrize(
    ("nodes", "constants", "message"),
    [
        ([node("Relu", "nothing", out="y")], [], "needs 'nothing', which nothing before it computes"),
        ([node("Conv", "x", "w", out="y")], [numbers("w", 4, 5, 3, 3)], "Conv '' cannot be translated"),
        ([node("Reshape", "x", "to", out="y")], [integers("to", 7, 7)], "Reshape '' cannot be translated"),
        (
            [node("ConstantOfShape", "big", out="c"), node("Add", "x", "c", out="y")],
            [integers("big", 1 << 20, 1 << 20)],
            "makes a large constant of a small one",
        ),
        ([node("Pow", "x", "x", out="y")], [], "depends on the images, where a constant is needed"),
    ],
)
def test_what_is_no_classifier(nodes: list[Any], constants: list[Any], message: str, tmp_path: Path) -> None:
    assert message in refusal(save(tmp_path / "a.onnx", nodes, constants))


@pytest.mark.parametrize("content", [b"", b"junk" * 100])
def test_damaged_files(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(content)
    assert refusal(tmp_path / "a.onnx").startswith(f"{tmp_path / 'a.onnx'}: onnx: ")
    assert refusal(tmp_path / "b.onnx") == f"cannot read {tmp_path / 'b.onnx'}: No such file or directory"


def external(location: str, **entries: int) -> Any:
    tensor = numbers("w", 4, 3, 3, 3)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **entries}.items():
        entry = tensor.external_data.add()
        entry.key, entry.value = key, str(value)
    return tensor


def test_tensors_in_a_file_of_its_folder(tmp_path: Path) -> None:
    weight = RANDOM.uniform(-1, 1, (4, 3, 3, 3)).astype(np.float32)
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "w.bin").write_bytes(b"four" + weight.tobytes())
    nodes = [node("Conv", "x", "w"), *head("m")]
    tensor = external("weights/w.bin", offset=4, length=432)
    network = rebuilt(save(tmp_path / "a.onnx", nodes, [tensor]))
    assert np.array_equal(next(network.parameters()).detach().numpy(), weight)


@pytest.mark.parametrize("location", ["../secret.bin", "/etc/passwd", "", "nowhere.bin", "link.bin"])
def test_tensors_outside_its_folder_are_refused(location: str, tmp_path: Path) -> None:
    (tmp_path / "secret.bin").write_bytes(bytes(432))
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "link.bin").symlink_to(tmp_path / "secret.bin")
    path = save(tmp_path / "inside" / "a.onnx", [node("Conv", "x", "w"), *head("m")], [external(location)])
    assert f"the tensor 'w' lies in {location!r}, which is no file in" in refusal(path)


def test_tensors_beyond_their_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(bytes(100))
    path = save(tmp_path / "a.onnx", [node("Conv", "x", "w"), *head("m")], [external("w.bin", offset=0, length=432)])
    assert "reaches beyond" in refusal(path)
