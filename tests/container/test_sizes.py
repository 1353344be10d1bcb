"""Sizes to compare with, by known answers: counts of bits, entropies by hand, and other programs' own output."""

from __future__ import annotations

import lzma
import math
import os
import shutil
import subprocess
import sys
import zlib
from importlib import import_module
from pathlib import Path

import brotli
import numpy as np
import pytest
import torch
from torch import nn

import brinell
from brinell.compressors import Int8
from brinell.container import Effort, compare_sizes, inspect, read, write
from brinell.container.sizes import PACKERS, entropy, nominal_bytes
from brinell.data import build
from brinell.models import MODELS
from brinell.variants import Variant
from container.samples import VARIANTS, binary, weights


@pytest.fixture(autouse=True)
def all_packers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_module("brinell.container.sizes"), "PACKERS", PACKERS)


def one(weight: torch.Tensor) -> Variant:
    module = nn.Linear(weight.shape[1], weight.shape[0])
    module.weight.data, module.bias.data = weight, torch.randn(len(weight))
    return Variant.of(nn.Sequential(nn.Flatten(), module), input_shape=(1, 1, weight.shape[1]), classes=len(weight))


def levels(values: list[float], share: float, shape: tuple[int, int] = (64, 100)) -> torch.Tensor:
    draw = np.random.default_rng(0)
    found = draw.choice(np.float32(values), shape)
    return torch.from_numpy(np.where(draw.random(shape) < share, found, np.float32(0)))


@pytest.mark.parametrize(
    ("weight", "bits"),
    [
        (levels([-0.5, -0.25, 0.25, 0.5], 0.1), 3),  # INQ's 3 bits: zero and four powers
        (levels([s * 2.0**-e for s in (1, -1) for e in range(8)], 0.3), 5),
        (levels([-0.5, 0.5], 1.0), 1),
        (levels([-0.5, 0.5], 0.5), 2),
        (levels(list(np.linspace(0.1, 1, 255)), 0.5), 8),  # Deep Compression's
        (torch.randn(64, 100), 32),
        (torch.randn(64, 100) * (torch.rand(64, 100) < 0.3), 32),
    ],
)
def test_nominal_bytes_are_bits_times_weights_that_are_not_zero(weight: torch.Tensor, bits: int) -> None:
    assert nominal_bytes(one(weight)) == math.ceil(bits * int(weight.count_nonzero()) / 8)


def test_binary_weights_take_a_bit_and_an_int8_networks_a_byte() -> None:
    variant = binary()
    bits = sum(
        tensor.numel()
        for name, tensor in variant.tensors.items()
        if f"{name.rpartition('.')[0]}.scale" in variant.tensors and tensor.dim() == 4
    )
    floats = sum(tensor.numel() for tensor in variant.tensors.values() if tensor.dim() > 1) - bits
    assert nominal_bytes(variant) == math.ceil(bits / 8 + 4 * floats)
    data = build("digits", examples=40)
    int8 = brinell.compress(MODELS["resnet8"].parse({}).module(0).eval(), Int8(), train_data=data)
    assert nominal_bytes(int8) == bits + floats


def test_entropy_of_codes_and_gaps_by_hand() -> None:
    """Every fourth of 4,000 has one of two values at random: a bit each, and no news in the gaps."""
    draw, weight = torch.Generator().manual_seed(0), torch.zeros(40, 100)
    weight.view(-1)[3::4] = torch.where(torch.rand(1000, generator=draw) < 0.5, 0.5, -0.25)
    assert 0.8 * 1000 / 8 <= entropy([weight]) <= 1000 / 8 + 2 * 4
    together = -sum(share * math.log2(share) for share in (0.25, 0.5, 0.25))
    mixed = torch.tensor([0.0, 0.0, 1.0, 2.0]).repeat(500)[torch.randperm(2000, generator=draw)]
    assert 0.8 * 2000 * together / 8 <= entropy([mixed]) <= 2000 * together / 8 + 2 * 4
    assert 3000 < entropy([torch.randn(1000)]) <= 4000  # exponents are few
    assert entropy([torch.zeros(1000)]) == 0


def test_entropy_of_nested_bits_is_that_of_their_levels() -> None:
    levels = torch.randint(0, 4, (1, 40, 100), generator=torch.Generator().manual_seed(0))
    bits = torch.where(levels >= torch.tensor([3, 2, 1])[:, None, None], 1.0, -1.0)
    assert 0.9 * 4000 * 2 / 8 <= entropy([bits]) <= 4000 * 2 / 8 + 4


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("effort", ["fast", "best"])
def test_no_file_is_smaller_than_the_entropy_of_its_parts(tmp_path: Path, name: str, effort: Effort) -> None:
    variant = VARIANTS[name]()
    size = write(variant, tmp_path / "v", effort=effort)
    assert size >= compare_sizes(variant, tmp_path / "v", general_purpose=())["entropy_bytes"]


def test_the_bound_holds_header_biases_and_weights(tmp_path: Path) -> None:
    variant = one(levels([-0.5, 0.25, 0.5], 0.2))
    write(variant, tmp_path / "v")
    found = compare_sizes(variant, tmp_path / "v", general_purpose=())
    parts = sum(entropy([tensor]) for tensor in variant.tensors.values())
    assert found["entropy_bytes"] == inspect(tmp_path / "v").header_bytes + math.ceil(parts)
    assert found["general_purpose"] == {}


@pytest.mark.parametrize(
    "name", ["dense", "powers", "sparse-powers", "sparse-shared", "filters", "binary", "nested-bits"]
)
def test_files_at_best_come_near(tmp_path: Path, name: str) -> None:
    """These networks have 19,000 weights in ten layers: tables of Huffman codes, which no bound counts, show."""
    variant = VARIANTS[name]()
    size = write(variant, tmp_path / "v", effort="best")
    assert size < 1.09 * compare_sizes(variant, tmp_path / "v", general_purpose=())["entropy_bytes"]


def test_general_purpose_compressors_are_given_the_dense_floats(tmp_path: Path) -> None:
    variant = weights(lambda weight: weight.round(decimals=1))
    write(variant, tmp_path / "v")
    found = compare_sizes(read(tmp_path / "v"), tmp_path / "v")["general_purpose"]
    floats = [tensor for tensor in variant.tensors.values() if tensor.is_floating_point()]
    dense = b"".join(tensor.numpy().tobytes() for tensor in floats)
    assert len(dense) == brinell.costs.measure(variant).dense_bytes
    assert found["deflate"] == len(zlib.compress(dense, 9))
    assert found["xz"] == len(lzma.compress(dense, preset=9 | lzma.PRESET_EXTREME))
    assert found["brotli"] == len(brotli.compress(dense, quality=11, lgwin=24))
    assert set(found) == {"deflate", "xz", "brotli", *(name for name in ("zstd", "zpaq") if shutil.which(name))}
    if shutil.which("zstd"):
        said = subprocess.run(["zstd", "--ultra", "-22", "-c"], input=dense, capture_output=True, check=True).stdout
        assert found["zstd"] == len(said)


def test_programs_that_are_not_installed_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(sys.modules["brinell.container.sizes"], "find_spec", lambda name: None)
    write(binary(), tmp_path / "v")
    assert set(compare_sizes(binary(), tmp_path / "v")["general_purpose"]) == {"deflate", "xz"}
    assert list(PACKERS) == ["deflate", "xz", "zstd", "brotli", "zpaq"]


@pytest.mark.parametrize("behaviour", ["exit 3", "sleep 5"])
def test_a_program_that_fails_or_takes_too_long_is_as_if_it_were_not_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, behaviour: str
) -> None:
    monkeypatch.setattr(sys.modules["brinell.container.sizes"], "find_spec", lambda name: None)
    for name in ("zstd", "brotli", "zpaq"):
        (tmp_path / name).write_text(f"#!/bin/sh\n{behaviour}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(sys.modules["brinell.container.sizes"], "_PATIENCE", 0.2)
    assert [PACKERS[name](b"dense") for name in ("zstd", "brotli", "zpaq")] == [None] * 3
