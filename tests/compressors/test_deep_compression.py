"""Deep Compression: k-means with a known answer, summed gradients by hand, and few values in the end."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from brinell import container
from brinell.compressors import DeepCompression
from brinell.compressors.checks.float_layers import float_weights
from brinell.compressors.weight_sharing import kmeans, share, unshare
from brinell.core import ConfigurationError
from brinell.data import Dataset
from brinell.training import Train, accuracy
from brinell.variants import Variant

QUICK = Train(epochs=2, batch_size=50, learning_rate=0.02)


def weights(variant: Variant) -> dict[str, Tensor]:
    return {name: weight.detach() for name, weight in float_weights(variant.deployed()).items()}


# k-means


def test_clusters_by_hand() -> None:
    values = torch.tensor([10.0, -1.0, 0.5, 9.0, -2.0, 1.0, 11.0])
    # Starts at -2, 4.5, 11: {-2, -1, 0.5, 1}, {}, {9, 10, 11}; the empty one stays at 4.5, between -0.375 and 10
    centroids, codes = kmeans(values, 3)
    assert codes.tolist() == [2, 0, 0, 2, 0, 0, 2]
    assert centroids.tolist() == [-0.375, 4.5, 10.0]


def naive(values: list[float], count: int) -> tuple[list[float], list[int]]:
    """Lloyd's algorithm as it is written down, in exact enough arithmetic."""
    low, high = min(values), max(values)
    centroids = [low + (high - low) * place / (count - 1) for place in range(count)]
    codes: list[int] = []
    for _ in range(300):
        middles = [(a + b) / 2 for a, b in itertools.pairwise(centroids)]
        found = [sum(value >= middle for middle in middles) for value in values]
        if found == codes:
            break
        codes = found
        for place in range(count):
            inside = [value for value, code in zip(values, codes, strict=True) if code == place]
            centroids[place] = sum(inside) / len(inside) if inside else centroids[place]
    return centroids, codes


@given(st.lists(st.integers(-1000, 1000), min_size=2, max_size=60, unique=True), st.integers(2, 9))
def test_clusters_are_those_of_lloyds_algorithm(values: list[int], count: int) -> None:
    scaled = [value / 64 for value in values]
    centroids, codes = kmeans(torch.tensor(scaled), count)
    expected, places = naive(scaled, count)
    torch.testing.assert_close(centroids, torch.tensor(expected))
    wrong = [place for place, code in enumerate(codes.tolist()) if code != places[place]]
    for place in wrong:  # only where two centroids are equally near
        distances = (centroids - scaled[place]).abs()
        assert float(distances[codes[place]] - distances[places[place]]) == pytest.approx(0, abs=1e-4)


def test_a_centroid_is_the_mean_of_its_weights() -> None:
    values = torch.randn(5000, generator=torch.Generator().manual_seed(0))
    centroids, codes = kmeans(values, 15)
    for place in range(15):
        torch.testing.assert_close(centroids[place], values[codes == place].mean(), atol=1e-5, rtol=1e-4)
    assert torch.equal(codes, (values[:, None] - centroids).abs().argmin(1))


# Shared weights


def test_a_centroid_learns_from_the_sum_of_its_weights_gradients() -> None:
    layer = nn.Linear(3, 2, bias=False)
    layer.weight.data = torch.tensor([[0.5, 0.0, -0.25], [0.5, 0.5, 0.0]])
    assert share(layer, 2) == 2
    assert torch.equal(layer.weight, torch.tensor([[0.5, 0.0, -0.25], [0.5, 0.5, 0.0]]))
    x = torch.tensor([[1.0, 2.0, 4.0]])
    (F.linear(x, layer.weight) * torch.tensor([[1.0, 10.0]])).sum().backward()
    (centroids,) = layer.parameters()
    assert centroids.tolist() == [-0.25, 0.5]
    assert centroids.grad is not None
    assert centroids.grad.tolist() == [4.0, 1.0 + 10.0 + 20.0]
    centroids.data += 1
    unshare(layer)
    assert torch.equal(layer.weight, torch.tensor([[1.5, 0.0, 0.75], [1.5, 1.5, 0.0]]))
    assert type(layer) is nn.Linear


def test_bits_count_zero_among_the_values() -> None:
    layer = nn.Conv2d(4, 8, 3)
    with torch.no_grad():
        layer.weight[0] = 0
    assert share(layer, 4) == 15
    assert len(layer.weight.unique()) == 16
    assert not layer.weight[0].any()


# The compressor


def test_every_layer_has_few_values_and_the_wanted_zeros(baseline: Variant, sample: Dataset) -> None:
    compressor = DeepCompression(budget={"sparsity": 0.5}, conv_bits=4, linear_bits=2, train=QUICK)
    assert compressor.epochs == 4
    child = compressor.compress(baseline, sample, seed=0)
    assert child.tensors.keys() == baseline.tensors.keys()
    assert child.latent is None
    for name, weight in weights(child).items():
        bits = 2 if name.endswith("linear") else 4
        assert len(weight.unique()) <= 2**bits, name
        assert child.lineage[-1].figures["values"][name] == 2**bits - 1
    zeros = sum(int((weight == 0).sum()) for weight in weights(child).values())
    assert zeros / sum(weight.numel() for weight in weights(child).values()) == pytest.approx(0.5, abs=0.01)
    assert accuracy(child.deployed(), sample) > 0.85


def test_centroids_are_trained(baseline: Variant, sample: Dataset) -> None:
    compressor = DeepCompression(train=QUICK, budget={"sparsity": 0.5})
    untrained = compressor.model_copy(update={"sharing_epochs": 0}).compress(baseline, sample, seed=0)
    trained = compressor.compress(baseline, sample, seed=0)
    for name, weight in weights(trained).items():
        before = weights(untrained)[name]
        assert torch.equal(weight == 0, before == 0)
        assert not torch.equal(weight, before)
        for value in before.unique()[:5]:
            assert len(weight[before == value].unique()) == 1  # they moved together


def test_the_file_counts_in_code_books(baseline: Variant, sample: Dataset, tmp_path: Path) -> None:
    child = DeepCompression(conv_bits=5, train=QUICK).compress(baseline, sample, seed=0)
    sizes = [container.write(variant, tmp_path / f"{place}.brinell") for place, variant in enumerate((baseline, child))]
    assert sizes[1] < sizes[0] / 2.5
    loaded = container.load(tmp_path / "1.brinell")
    assert all(torch.equal(tensor, child.tensors[name]) for name, tensor in loaded.tensors.items())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"conv_bits": 0}, "conv_bits: input should be greater than or equal to 1"),
        ({"linear_bits": 9}, "linear_bits: input should be less than or equal to 8"),
        ({"conv_bits": 9}, "conv_bits: input should be less than or equal to 8"),
        ({"budget": {"sparsity": 1}}, r"budget\.sparsity: input should be less than 1"),
        ({"sharing_rate": 0}, "sharing_rate: input should be greater than 0"),
    ],
)
def test_bad_settings_are_refused_by_name(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        DeepCompression.parse(fields)
