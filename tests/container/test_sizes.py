"""Sizes to compare with, by known answers: counts of bits, entropies by hand, and other programs' own output."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import brinell
from brinell.compressors import Int8
from brinell.container import inspect, read, sizes, write
from brinell.container.sizes import PACKERS, entropy, nominal_bytes
from brinell.data import build
from brinell.models import MODELS
from brinell.variants import Variant
from container.samples import VARIANTS, binary, weights


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
    """Every fourth of 1,000 has a value, half of them one and half the other: a bit each, and no news in the gaps."""
    weight = torch.zeros(40, 100)
    weight.view(-1)[3::4] = 0.5
    weight.view(-1)[7::8] = -0.25
    assert entropy(weight) == pytest.approx(1000 / 8 + 2 * 4)
    together = -sum(share * math.log2(share) for share in (0.25, 0.5, 0.25))
    mixed = torch.tensor([0.0, 0.0, 1.0, 2.0]).repeat(500)[torch.randperm(2000)]
    assert entropy(mixed) == pytest.approx(2000 * together / 8 + 2 * 4, rel=5e-3)
    assert entropy(torch.arange(50.0)) == pytest.approx(200)  # never more than raw
    assert entropy(torch.randn(1000)) == 4000
    assert entropy(torch.zeros(1000)) == 0


def test_the_bound_holds_header_biases_and_weights(tmp_path: Path) -> None:
    variant = one(levels([-0.5, 0.25, 0.5], 0.2))
    write(variant, tmp_path / "v")
    found = sizes(variant, tmp_path / "v", general_purpose=())
    weight, bias = variant.tensors.values()
    assert found["entropy_bytes"] == inspect(tmp_path / "v").header_bytes + math.ceil(entropy(weight) + bias.nbytes)
    assert found["general_purpose"] == {}


@pytest.mark.parametrize("name", ["dense", "powers", "sparse-powers", "sparse-shared", "filters", "binary"])
def test_files_at_best_come_near(tmp_path: Path, name: str) -> None:
    """These networks have 19,000 weights in ten layers: tables of Huffman codes, which no bound counts, show."""
    variant = VARIANTS[name]()
    size = write(variant, tmp_path / "v", effort="best")
    assert size < 1.06 * sizes(variant, tmp_path / "v", general_purpose=())["entropy_bytes"]


def test_general_purpose_compressors_are_given_the_dense_floats(tmp_path: Path) -> None:
    variant = weights(lambda weight: weight.round(decimals=1))
    write(variant, tmp_path / "v")
    found = sizes(read(tmp_path / "v"), tmp_path / "v")["general_purpose"]
    floats = [tensor for tensor in variant.tensors.values() if tensor.is_floating_point()]
    dense = b"".join(tensor.numpy().tobytes() for tensor in floats)
    assert len(dense) == brinell.costs.measure(variant).dense_bytes
    assert found["deflate"] == len(zlib.compress(dense, 9))
    assert set(found) == {"deflate", "xz", *(name for name in ("zstd", "zpaq") if shutil.which(name))}
    if shutil.which("zstd"):
        said = subprocess.run(["zstd", "-19", "-c"], input=dense, capture_output=True, check=True).stdout
        assert found["zstd"] == len(said)


def test_programs_that_are_not_installed_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    write(binary(), tmp_path / "v")
    assert set(sizes(binary(), tmp_path / "v")["general_purpose"]) == {"deflate", "xz"}
    assert list(PACKERS) == ["deflate", "xz", "zstd", "zpaq"]


@pytest.mark.parametrize("behaviour", ["exit 3", "sleep 5"])
def test_a_program_that_fails_or_takes_too_long_is_as_if_it_were_not_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, behaviour: str
) -> None:
    for name in ("zstd", "zpaq"):
        (tmp_path / name).write_text(f"#!/bin/sh\n{behaviour}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(sys.modules["brinell.container.sizes"], "_PATIENCE", 0.2)
    assert [PACKERS[name](b"dense") for name in ("zstd", "zpaq")] == [None, None]
