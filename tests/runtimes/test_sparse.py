from __future__ import annotations

import pytest
import torch
from torch import nn

from brinell.core import UnsupportedError
from brinell.runtimes import Sparse, sparse
from brinell.runtimes.sparse_kernel import SparseConv2d, supports_sparse
from runtimes import networks

SHAPES = [
    {"in_channels": 3, "out_channels": 5, "kernel_size": 3, "padding": 1},
    {"in_channels": 7, "out_channels": 4, "kernel_size": 3, "padding": 0},
    {"in_channels": 4, "out_channels": 9, "kernel_size": 1},
    {"in_channels": 4, "out_channels": 6, "kernel_size": 5, "padding": 2},
    {"in_channels": 2, "out_channels": 3, "kernel_size": (3, 1), "padding": (1, 0)},
    {"in_channels": 2, "out_channels": 3, "kernel_size": (1, 5), "padding": (2, 1), "bias": False},
]


def convolution(sparsity: float, **options: object) -> nn.Conv2d:
    torch.manual_seed(0)
    layer = nn.Conv2d(**options).eval().requires_grad_(False)  # type: ignore[arg-type]
    layer.weight[torch.rand(layer.weight.shape) < sparsity] = 0
    return layer


@pytest.mark.parametrize("options", SHAPES)
@pytest.mark.parametrize("sparsity", [0.0, 0.7, 1.0])
@pytest.mark.parametrize("threads", [1, 2])
def test_it_is_the_convolution(
    options: dict[str, object], sparsity: float, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    layer = convolution(sparsity, **options)
    assert supports_sparse(layer)
    for size, count in (((8, 8), 1), ((5, 11), 3), ((30, 30), 2)):
        x = torch.randn(count, layer.in_channels, *size)
        assert torch.allclose(SparseConv2d(layer)(x), layer(x), atol=1e-5)


def test_a_filter_of_zeros_gives_its_bias() -> None:
    layer = convolution(0.0, in_channels=2, out_channels=3, kernel_size=3, padding=1)
    layer.weight[1] = 0
    assert torch.equal(SparseConv2d(layer)(torch.randn(2, 2, 6, 6))[:, 1], layer.bias[1].expand(2, 6, 6))


@pytest.mark.parametrize(
    "options",
    [{"stride": 2}, {"dilation": 2}, {"groups": 2}, {"padding": 1, "padding_mode": "reflect"}, {"padding": "same"}],
)
def test_other_convolutions_stay_dense(options: dict[str, object]) -> None:
    assert not supports_sparse(nn.Conv2d(4, 4, 3, **options))  # type: ignore[arg-type]


def test_a_pruned_network_computes_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sparse, "_seconds", lambda layer, inputs: 0.0 if isinstance(layer, SparseConv2d) else 1.0)
    variant, images = networks.pruned(0.9), networks.images(9)
    network = variant.deployed("sparse")
    assert network.kernels["sparse convolution"] == 5  # of 7, two have a stride
    assert torch.allclose(network(images), variant.deployed()(images), atol=1e-4)


def test_a_network_that_is_faster_dense_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sparse, "_seconds", lambda layer, inputs: float(isinstance(layer, SparseConv2d)))
    with pytest.raises(UnsupportedError, match="sparse gains nothing here"):
        networks.pruned(0.9).deployed("sparse")
    with pytest.raises(UnsupportedError, match="has 95% zeros"):
        networks.pruned(0.5).deployed(Sparse(least_sparsity=0.95))
