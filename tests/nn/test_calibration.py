"""Ranges of activations: those that ONNX Runtime finds, from any number of images, a batch at a time."""

from __future__ import annotations

from contextlib import nullcontext

import onnx
import pytest
import torch
from torch import nn

from brinell.nn.onnx_graph import batch_size, quantize, to_onnx
from brinell.nn.onnx_graph import quantizing as quantizing_module

SHAPE = (1, 8, 8)


@pytest.fixture(scope="module")
def graph() -> bytes:
    torch.manual_seed(0)
    layers = (nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.SiLU(), nn.Flatten(), nn.Linear(64, 10))
    return to_onnx(nn.Sequential(*layers).eval(), SHAPE)


def images(count: int) -> torch.Tensor:
    draw = torch.Generator().manual_seed(1)
    return torch.rand(count, *SHAPE, generator=draw) * torch.rand(count, 1, 1, 1, generator=draw)


@pytest.mark.parametrize("method", ["minmax", "percentile", "entropy"])
def test_the_graph_is_the_one_that_onnx_runtime_makes(
    method: str, graph: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own calibrators take whole batches of one size only, and keep all of them."""
    ours = quantize(graph, images(128), calibration=method, per_channel=True)  # type: ignore[arg-type]
    monkeypatch.setattr(quantizing_module, "counted_batch_by_batch", nullcontext)
    theirs = quantize(graph, images(128), calibration=method, per_channel=True)  # type: ignore[arg-type]
    assert onnx.load_from_string(ours).graph == onnx.load_from_string(theirs).graph


@pytest.mark.parametrize("method", ["minmax", "percentile", "entropy"])
@pytest.mark.parametrize("count", [1, 48, 65, 130])
def test_any_number_of_images_works_in_any_order(method: str, count: int, graph: bytes) -> None:
    some = images(count)
    found = [
        quantize(graph, part, calibration=method, per_channel=True)  # type: ignore[arg-type]
        for part in (some, some.flip(0))
    ]
    assert onnx.load_from_string(found[0]).graph == onnx.load_from_string(found[1]).graph


def test_bytes_are_what_they_are_as_floats(graph: bytes) -> None:
    levels = (images(70) * 255).round().to(torch.uint8)
    from_bytes, from_floats = (
        quantize(graph, part, calibration="percentile", per_channel=True) for part in (levels, levels.float() / 255)
    )
    assert onnx.load_from_string(from_bytes).graph == onnx.load_from_string(from_floats).graph


def test_a_batch_of_large_images_is_small() -> None:
    assert batch_size(torch.empty(500, 3, 32, 32, device="meta")) == 64
    assert batch_size(torch.empty(500, 3, 224, 224, device="meta")) == 6
    assert batch_size(torch.empty(500, 3, 4000, 4000, device="meta")) == 1


@pytest.mark.parametrize(("reduced", "largest"), [(False, 127), (True, 64)])
def test_with_reduced_range_no_two_products_saturate(reduced: bool, largest: int, graph: bytes) -> None:
    """The sum of two products of a byte with a weight of 7 bits fits into 16 bits: 2 x 255 x 64 < 2^15."""
    made = onnx.load_from_string(
        quantize(graph, images(20), calibration="minmax", per_channel=True, reduce_range=reduced)
    )
    weights = [
        torch.from_numpy(onnx.numpy_helper.to_array(tensor).copy()).abs().max()
        for tensor in made.graph.initializer
        if tensor.data_type == onnx.TensorProto.INT8 and len(tensor.dims) > 1
    ]
    assert len(weights) == 3
    assert all(int(weight) <= largest for weight in weights)
    assert max(map(int, weights)) >= largest - 1
    assert 2 * 255 * 64 < 2**15 < 2 * 255 * 127
