"""Networks of somebody's code as graphs: the same logits and gradients, or a refusal."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import brinell
from brinell.compressors import (
    DNS,
    INQ,
    ABCNet,
    DeepCompression,
    Distill,
    FineTune,
    Prune,
    RobustCompression,
    XNORNet,
)
from brinell.core import ModelError
from brinell.data import from_tensors
from brinell.models import CustomNetwork, ExportedNetwork, Normalized, build, capture_graph, load_source
from brinell.training import Train
from brinell.variants import Variant

SHAPE = (3, 8, 8)


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(3)
        self.dropout = nn.Dropout(0.3)
        self.fc = nn.Linear(3, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = x + torch.relu(self.bn(self.conv(x)))
        return self.fc(self.dropout(x.mean((2, 3))))


class _Sign(torch.autograd.Function):
    @staticmethod
    def forward(context: object, x: Tensor) -> Tensor:
        return torch.where(x >= 0, 1.0, -1.0)

    @staticmethod
    def backward(context: object, gradient: Tensor) -> Tensor:
        return gradient


class Binary(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(192, 5)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.fc(_Sign.apply(x.flatten(1) - 0.5))
        return logits


@pytest.mark.parametrize("normalized", [False, True])
def test_the_graph_computes_the_same_and_its_file_stands_alone(tmp_path: Path, normalized: bool) -> None:
    torch.manual_seed(0)
    module: nn.Module = Residual()
    if normalized:
        module = Normalized(module, (0.5, 0.4, 0.3), (0.2, 0.3, 0.4))
    module.train()
    module(torch.rand(16, *SHAPE))  # statistics of its own
    captured = capture_graph(module, SHAPE)
    assert module.training  # as it was
    module.eval()
    images = torch.rand(4, *SHAPE)
    assert torch.equal(captured(images), module(images))
    if normalized:
        assert captured.architecture.mean == pytest.approx((0.5, 0.4, 0.3))
    brinell.save(Variant.of(captured, input_shape=SHAPE, classes=5), tmp_path / "a.brinell")
    assert torch.equal(brinell.load(tmp_path / "a.brinell")(images), module(images))


def test_a_network_in_the_order_of_caffe(tmp_path: Path) -> None:
    module = Normalized(Residual(), (0.5, 0.4, 0.3), (0.2, 0.3, 0.4), "bgr").eval()
    images = torch.rand(4, *SHAPE)
    assert torch.equal(capture_graph(module, SHAPE)(images), module(images))


def test_a_network_that_is_built_in_stays_as_it_is() -> None:
    module = build("resnet8")
    assert capture_graph(module, (1, 8, 8)) is module


def test_gradients_that_the_author_wrote_are_not_lost() -> None:
    with pytest.raises(ModelError, match="as a graph the network has other gradients"):
        capture_graph(Binary(), SHAPE)


def test_what_torch_cannot_export() -> None:
    class Branching(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.flatten(1) if x.sum() > 3 else x.flatten(1) * 2

    with pytest.raises(ModelError, match=r"torch\.export cannot export the network"):
        capture_graph(Branching(), SHAPE)


def test_a_source_says_why_files_of_it_need_its_code(tmp_path: Path) -> None:
    code = """
        import torch
        from torch import nn

        class Sorting(nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = nn.Linear(192, 4)
            def forward(self, x):
                return self.fc(x.flatten(1).sort(1).values)

        def plain(): return nn.Sequential(nn.Flatten(), nn.Linear(192, 4))
    """
    (tmp_path / "code.py").write_text(textwrap.dedent(code))
    sorting = load_source(CustomNetwork(file=tmp_path / "code.py", factory="Sorting"), SHAPE, trusted=True)
    assert sorting.needs_code is not None
    assert "sort" in sorting.needs_code
    assert sorting.classes == 4
    source = CustomNetwork(file=tmp_path / "code.py", factory="plain")
    first, again, other = (load_source(source, SHAPE, seed=seed, trusted=True) for seed in (0, 0, 1))
    assert first.needs_code is None
    weights = [next(iter(loaded.module.parameters())) for loaded in (first, again, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    sys.path_importer_cache.pop(str(tmp_path), None)


class Frozen(nn.Module):
    """A first layer whose parameters are frozen, and a batch norm that keeps its statistics; the rest trains."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 6, 3, padding=1).requires_grad_(False)
        self.norm, self.trained_norm = nn.BatchNorm2d(6), nn.BatchNorm2d(6)
        self.conv = nn.Conv2d(6, 6, 3, padding=1)
        self.fc = nn.Linear(6, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.trained_norm(self.conv(self.norm(self.stem(x)).relu())).relu()
        return self.fc(x.mean((2, 3)))

    def train(self, mode: bool = True) -> Frozen:
        super().train(mode)
        self.norm.eval()
        return self


TINY = Train(epochs=1, batch_size=12, learning_rate=0.01)
TRAINING = {
    "fine_tune": FineTune(train=TINY),
    "distill": Distill(initialize="teacher", train=TINY),
    "weights": Prune(budget={"sparsity": 0.5}, train=TINY),
    "kernels": Prune(granularity="kernel", train=TINY),
    "dns": DNS(sparsity=0.5, train=TINY),
    "inq": INQ(shares=(0.5, 1), train=TINY),
    "deep_compression": DeepCompression(budget={"sparsity": 0.5}, train=TINY, sharing_epochs=1),
    "robust_compression": RobustCompression(sparsity=0.5, surgery_epochs=1, shares=(1,), train=TINY),
    "xnor_net": XNORNet(train=TINY),
    "abc_net": ABCNet(calibration=12, train=TINY),
}


@pytest.mark.parametrize("kind", TRAINING)
@pytest.mark.filterwarnings("ignore:.* covers")
def test_what_is_frozen_stays_so_as_a_graph_through_a_file_and_every_compressor(kind: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = Frozen().train()
    captured = capture_graph(module, (1, 8, 8))
    assert captured is not module
    names = {"model.stem.weight", "model.stem.bias", "model.norm"}
    variant = Variant.of(captured, input_shape=(1, 8, 8), classes=10)
    assert set(variant.frozen) == names
    brinell.save(variant, tmp_path / "a.brinell")
    loaded = brinell.load(tmp_path / "a.brinell")
    assert set(loaded.frozen) == names
    draw = torch.Generator().manual_seed(3)
    data = from_tensors(torch.rand(24, 1, 8, 8, generator=draw), torch.arange(24) % 10)
    child = brinell.compress(loaded, TRAINING[kind], train_data=data)
    state = child.latent or child.tensors
    for name in ("stem.weight", "stem.bias", "norm.running_mean", "norm.running_var"):
        assert torch.equal(state[f"model.{name}"], captured.state_dict()[f"model.{name}"])
    assert not torch.equal(
        state["model.trained_norm.running_mean"], captured.state_dict()["model.trained_norm.running_mean"]
    )
    brinell.save(child, tmp_path / "b.brinell")
    assert set(brinell.load(tmp_path / "b.brinell").frozen) == names


def test_a_network_that_is_frozen_whole_trains(tmp_path: Path) -> None:
    variant = Variant.of(capture_graph(Residual().requires_grad_(False), SHAPE), input_shape=SHAPE, classes=5)
    assert variant.frozen == ()


def test_an_exported_file_keeps_what_is_frozen(tmp_path: Path) -> None:
    program = torch.export.export(Frozen().eval(), (torch.rand(2, 1, 8, 8),))
    torch.export.save(program, tmp_path / "a.pt2")
    loaded = load_source(ExportedNetwork(file=tmp_path / "a.pt2"), (1, 8, 8))
    frozen = {name for name, parameter in loaded.module.named_parameters() if not parameter.requires_grad}
    assert frozen == {"model.stem.weight", "model.stem.bias"}


def frozen_network() -> nn.Module:
    return Frozen().train()


def test_a_network_of_a_users_code_keeps_what_is_frozen() -> None:
    source = CustomNetwork(module="models.test_capture", factory="frozen_network", mean=(0.3,), std=(0.4,))
    loaded = load_source(source, (1, 8, 8), trusted=True)
    assert loaded.needs_code is None
    frozen = Variant.of(loaded.module, input_shape=(1, 8, 8), classes=10).frozen
    assert set(frozen) == {"model.stem.weight", "model.stem.bias", "model.norm"}


def test_a_normalisation_has_the_mode_of_its_network() -> None:
    """Else batch norms in evaluation mode inside of it would count as frozen."""
    module = Normalized(Residual().eval(), (0.5, 0.4, 0.3), (0.2, 0.3, 0.4))
    assert not module.training
    assert Variant.of(module, input_shape=SHAPE, classes=5).frozen == ()
