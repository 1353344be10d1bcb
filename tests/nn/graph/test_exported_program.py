"""Exported programs: read by a reader of our own, equal to the module, trusted in nothing."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from brinell.core import ModelError
from brinell.models import capture_graph
from brinell.nn.graph import GraphNetwork, NetworkGraph, count_classes, read_exported
from brinell.nn.onnx_graph import open_session, run_session, to_onnx


class Usual(nn.Module):
    """Most of what classifiers do: branches, in-place rectifiers, groups, pooling, dropout, a view."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.layer = nn.Sequential(nn.Conv2d(8, 8, 3, 2, 1, groups=4), nn.SiLU(), nn.Conv2d(8, 8, 1))
        self.drop = nn.Dropout(0.3)
        self.fc1 = nn.Linear(128, 16)
        self.norm = nn.BatchNorm1d(16)
        self.fc2 = nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        x = F.relu6(self.layer(x) + F.max_pool2d(x, 2), inplace=True)
        x = torch.cat([x[:, :4] * 2, x[:, 4:].mean((2, 3), keepdim=True).expand(-1, -1, 4, 4)], 1)
        return self.fc2(F.hardswish(self.norm(self.fc1(self.drop(x).view(x.size(0), -1)))))


class Shared(nn.Module):
    """One layer called twice, and one weight in two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.other = nn.Conv2d(3, 3, 3, padding=1, stride=2)
        self.other.weight = self.conv.weight
        self.scale = nn.Parameter(torch.rand(3, 1, 1))
        self.register_buffer("shift", torch.rand(3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return (self.other(self.conv(self.conv(x))) * self.scale - self.shift).flatten(2).sum(2)


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 16, 4, 4)
        self.token = nn.Parameter(torch.rand(1, 1, 16))
        self.norm = nn.LayerNorm(16)
        self.qkv = nn.Linear(16, 48)
        self.head = nn.Linear(16, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x).flatten(2).transpose(1, 2)
        x = self.norm(torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1))
        q, k, v = self.qkv(x).reshape(x.shape[0], -1, 3, 2, 8).permute(2, 0, 3, 1, 4).unbind(0)
        x = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(x.shape[0], -1, 16)
        return self.head(F.gelu(x[:, 0]))


def trained(module: nn.Module) -> nn.Module:
    """With statistics that matter, in evaluation mode."""
    for layer in module.modules():
        if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)):
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2)
            nn.init.normal_(layer.weight)
    return module.eval()


def export(module: nn.Module, path: Path, batch: int | None = 2, side: int = 8) -> Path:
    """To a file; `batch` is fixed, or any."""
    images = torch.rand(batch or 2, 3, side, side)
    dynamic = None if batch else ({0: torch.export.Dim("batch", min=1, max=64)},)
    torch.export.save(torch.export.export(module, (images,), dynamic_shapes=dynamic), path)
    return path


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported program of `Usual`."""
    torch.manual_seed(0)
    return export(trained(Usual()), tmp_path_factory.mktemp("exported") / "good.pt2")


def rebuilt(path: Path) -> GraphNetwork:
    graph, tensors = read_exported(path)
    network = GraphNetwork(NetworkGraph.from_json(json.loads(json.dumps(graph.to_json()))))
    network.load_state_dict({name: tensor.detach() for name, tensor in tensors.items()})
    return network.eval()


@pytest.mark.parametrize(
    ("build", "batch"), [(Usual, 2), (Usual, None), (Shared, 1), (Attention, 2), (Attention, None)]
)
def test_it_computes_what_the_module_computes(
    build: Callable[[], nn.Module], batch: int | None, tmp_path: Path
) -> None:
    module = trained(build())
    network = rebuilt(export(module, tmp_path / "a.pt2", batch))
    for count in (1, 3):
        one, other = (
            torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(0)).requires_grad_() for _ in "ab"
        )
        expected, found = module(one), network(other)
        torch.testing.assert_close(found, expected)
        expected.square().sum().backward()
        found.square().sum().backward()
        torch.testing.assert_close(other.grad, one.grad)


class Sizes(nn.Module):
    """Every operator that takes sizes, with the number of images among them."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("ramp", torch.arange(8.0))

    def forward(self, x: Tensor) -> Tensor:
        images = x.shape[0]
        x = x.view(images, 3, 64).reshape(images, 3, 8, 8).unflatten(1, (1, 3))[:, 0]
        ramp = self.ramp.reshape(1, 1, 1, 8).expand(images, 3, 8, 8) + self.ramp.repeat(images, 3, 8, 1)
        x = (x * ramp).transpose(1, 2).reshape(images, -1)
        return x.narrow(0, 0, images).narrow(1, 0, 6)


@pytest.mark.parametrize(
    ("build", "batch"), [(Usual, 2), (Usual, None), (Shared, None), (Attention, 2), (Attention, None), (Sizes, None)]
)
def test_its_onnx_graph_takes_any_number_of_images(
    build: Callable[[], nn.Module], batch: int | None, tmp_path: Path
) -> None:
    pytest.importorskip("onnxruntime")
    module = trained(build())
    session = open_session(to_onnx(rebuilt(export(module, tmp_path / "a.pt2", batch)), (3, 8, 8)))
    images = torch.rand(5, 3, 8, 8)
    assert torch.allclose(run_session(session, images), module(images), atol=1e-5)


def test_layers_keep_their_names_and_types(tmp_path: Path) -> None:
    module = trained(Usual())
    network = rebuilt(export(module, tmp_path / "a.pt2"))
    kinds = (nn.Conv2d, nn.Linear, nn.BatchNorm1d, nn.BatchNorm2d)
    ours, theirs = (
        {name: repr(layer) for name, layer in net.named_modules() if isinstance(layer, kinds)}
        for net in (network, module)
    )
    assert ours == theirs
    assert {name: parameter.shape for name, parameter in network.named_parameters()} == {
        name: parameter.shape for name, parameter in module.named_parameters()
    }
    assert [layer.p for layer in network.modules() if isinstance(layer, nn.Dropout)] == [0.3]
    assert network.train()(torch.rand(4, 3, 8, 8)).shape == (4, 5)
    assert network.bn1.num_batches_tracked == 1  # type: ignore[union-attr]


def test_a_shared_weight_is_one_parameter(tmp_path: Path) -> None:
    network = rebuilt(export(Shared().eval(), tmp_path / "a.pt2"))
    assert sum(parameter.numel() for parameter in network.parameters()) == sum(p.numel() for p in Shared().parameters())


def test_it_can_be_traced(good: Path) -> None:
    network = rebuilt(good)
    images = torch.rand(3, 3, 8, 8)
    torch.testing.assert_close(torch.fx.symbolic_trace(network)(images), network(images))


def test_classes_are_counted_on_shapes(good: Path) -> None:
    assert count_classes(read_exported(good)[0]) == 5


def refusal(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        count_classes(read_exported(path)[0])
    return str(caught.value)


class Odd(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.linalg.svdvals(torch.cumsum(x, 1)).flatten(1)


class Wrong(nn.Module):
    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, x: Tensor) -> Any:
        if self.kind == "maps":
            return x * 2
        if self.kind == "two":
            return x.mean((2, 3)), x.sum((2, 3))
        return x.mean((2, 3)).reshape(-1).reshape(3, 2)


def test_unknown_operators_are_all_named(tmp_path: Path) -> None:
    message = refusal(export(Odd(), tmp_path / "a.pt2"))
    assert "unknown operators cumsum, linalg_svdvals" in message


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("maps", r"expected logits (images, classes) for a batch of 1, found (1, 3, 8, 8)"),
        ("two", "expected one output, not 2"),
        ("mixed", "reshape does not accept a batch of 1"),
    ],
)
def test_what_is_no_classifier(kind: str, message: str, tmp_path: Path) -> None:
    assert message in refusal(export(Wrong(kind), tmp_path / "a.pt2"))


def test_training_mode_is_refused() -> None:
    weight = {"tensor": "bn.weight"}
    kept = [weight, {"tensor": "bn.bias"}, {"tensor": "bn.running_mean"}, {"tensor": "bn.running_var"}]
    config = {
        "nodes": [["batch_norm", [{"value": 0}, *kept, True, 0.1, 1e-5, True], {}]],
        "tensors": {
            f"bn.{name}": [[3], "float32", False] for name in ("weight", "bias", "running_mean", "running_var")
        },
        "output": 1,
        "input_shape": [3, 8, 8],
    }
    with pytest.raises(ModelError, match=r"exported in training mode; call model\.eval\(\) before"):
        GraphNetwork(NetworkGraph.from_json(config))


def changed(source: Path, target: Path, change: Callable[[str, bytes], bytes | None]) -> Path:
    """A copy of an archive with some members changed or left out."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for info in old.infolist():
            data = change(info.filename.split("/", 1)[1], old.read(info))
            if data is not None:
                new.writestr(info.filename, data)
    return target


def program(change: Callable[[Any], None]) -> Callable[[str, bytes], bytes | None]:
    def apply(name: str, data: bytes) -> bytes:
        if name != "models/model.json":
            return data
        content = json.loads(data)
        change(content)
        return json.dumps(content).encode()

    return apply


def config(change: Callable[[Any], None]) -> Callable[[str, bytes], bytes | None]:
    def apply(name: str, data: bytes) -> bytes:
        if name != "data/weights/model_weights_config.json":
            return data
        content = json.loads(data)
        change(content["config"]["conv1.weight"])
        return json.dumps(content).encode()

    return apply


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            program(lambda content: content["schema_version"].update(major=5)),
            "was written in version 5 of the format, by",
        ),
        (
            program(lambda content: content.pop("graph_module")),
            "the exported program is damaged (KeyError: 'graph_module')",
        ),
        (
            program(lambda content: content["graph_module"]["graph"]["nodes"][0].update(target="torch.ops.evil.run")),
            "unknown operators torch.ops.evil.run",
        ),
        (
            program(lambda content: content["graph_module"]["graph"]["nodes"][0].update(target="builtins.eval")),
            "unknown operators builtins.eval",
        ),
        (config(lambda entry: entry.update(use_pickle=True)), "'conv1.weight' is pickled, which can run code"),
        (config(lambda entry: entry["tensor_meta"]["storage_offset"].update(as_int=10**6)), "reaches beyond its bytes"),
        (config(lambda entry: entry["tensor_meta"].update(dtype=9)), "is of a type that is not accepted"),
        (lambda name, data: None if name == "archive_format" else data, "is no .pt2 file of torch.export.save"),
        (lambda name, data: None if name == "data/weights/weight_0" else data, "the exported program is damaged"),
        (lambda name, data: b"big" if name == "byteorder" else data, "its numbers are big-endian"),
        (lambda name, data: b"{" if name == "models/model.json" else data, "the exported program is damaged"),
    ],
)
def test_damaged_and_foreign_files_are_one_clear_error(good: Path, change: Any, message: str, tmp_path: Path) -> None:
    assert message in refusal(changed(good, tmp_path / "bad.pt2", change))


@pytest.mark.parametrize("content", [b"", b"junk" * 100])
def test_what_is_no_archive(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.pt2").write_bytes(content)
    assert "is no .pt2 file" in refusal(tmp_path / "a.pt2")


def test_pickled_parts_are_never_looked_at(good: Path, tmp_path: Path) -> None:
    """`torch.export.load` unpickles the sample inputs; they may hold anything here."""
    mark = tmp_path / "exploded"
    bomb = b"cos\nsystem\n(S'touch " + str(mark).encode() + b"'\ntR."
    bad = changed(good, tmp_path / "bad.pt2", lambda name, data: bomb if "sample_inputs" in name else data)
    assert count_classes(read_exported(bad)[0]) == 5
    assert not mark.exists()


@pytest.mark.parametrize(
    "name", ["forward", "__class__", "a b", "", "x.weight.y", "1;import os", "a'", "training", "class", "weight."]
)
def test_names_of_tensors_cannot_reach_a_module(name: str) -> None:
    config = {
        "nodes": [["mean.dim", [{"value": 0}, [2, 3]], {}], ["mul.Tensor", [{"value": 1}, {"tensor": name}], {}]],
        "tensors": {name: [[3], "float32", False]},
        "output": 2,
        "input_shape": [3, 8, 8],
    }
    graph = NetworkGraph.from_json(config)
    if name == "x.weight.y":
        assert GraphNetwork(graph)(torch.rand(2, 3, 8, 8)).shape == (2, 3)
        return
    with pytest.raises(ModelError, match="is no name of a layer or tensor"):
        GraphNetwork(graph)


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (["constant_pad_nd", [{"value": 0}, [0, 1 << 20, 0, 1 << 20]], {}], "have more than 268435456 numbers"),
        (["repeat", [{"value": 0}, [1, 1, 1 << 16, 1 << 16]], {}], "have more than 268435456 numbers"),
        (["mean.dim", [{"value": 0}, [7]], {}], "mean.dim does not accept a batch of 1"),
        (["mean.dim", [{"value": 1}, [2, 3]], {}], "which nothing before it computes"),
        (["mul.Tensor", [{"value": 0}, {"tensor": "w"}], {}], "needs the tensor 'w'; there is none"),
        (["eval", ["1"], {}], "unknown operators eval"),
    ],
)
def test_graphs_from_strangers_are_checked(node: list[Any], message: str) -> None:
    config = {"nodes": [node], "tensors": {}, "output": 1, "input_shape": [3, 8, 8]}
    with pytest.raises(ModelError) as caught:
        count_classes(NetworkGraph.from_json(config))
    assert message in str(caught.value)


@pytest.mark.parametrize("config", [None, {}, {"nodes": [1], "tensors": {}, "output": 1, "input_shape": [3, 8, 8]}])
def test_what_is_no_graph(config: Any) -> None:
    with pytest.raises(ModelError, match="graph: it is damaged"):
        NetworkGraph.from_json(config)


def test_views_of_what_is_overwritten_are_not_read(tmp_path: Path) -> None:
    """An operator in place on a view changes what it is a view of, which a graph of values cannot say."""

    class InPlace(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            y = x * 2
            y.view(len(x), 3, 64).relu_()
            return y.mean((2, 3))

    assert "has been overwritten in place" in refusal(export(InPlace(), tmp_path / "a.pt2"))


class ByTheBatch(nn.Module):
    """Sizes that the number of images is a part of, as many published networks have them."""

    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.randn(1, 1, 16))
        self.classifier = nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        parts = torch.cat([self.token.expand(x.size(0), -1, -1), x.view(x.size(0), -1, 16)], 1)
        return self.classifier(parts.mean(1).reshape(x.shape[0], 16))


def test_a_graph_with_sizes_of_the_batch_is_exported_for_any_batch() -> None:
    pytest.importorskip("onnxruntime")
    network = capture_graph(ByTheBatch().eval(), (1, 8, 8))
    graph = to_onnx(network, (1, 8, 8))
    images = torch.rand(7, 1, 8, 8)
    assert torch.allclose(run_session(open_session(graph), images), network(images), atol=1e-5)
