"""Networks of somebody's code as graphs: the same logits and gradients, or a refusal."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import brinell
from brinell.core import ModelError
from brinell.models import CustomNetwork, Normalized, build, capture_graph, load_source
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
