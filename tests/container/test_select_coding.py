"""The coding is chosen by the values, and comes near the entropy of what it has to tell."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from brinell.container import write
from brinell.container.bit_patterns import BitPatterns
from brinell.container.deflate import deflate, inflate
from brinell.container.select_coding import encode
from brinell.core import StoreError
from brinell.core.zip_archives import DEFLATE_RATIO
from container.samples import VARIANTS


def drawn(density: float, levels: list[float], shares: list[float], count: int = 400_000) -> torch.Tensor:
    draw = np.random.default_rng(0)
    values = draw.choice(np.float32(levels), count, p=shares)
    return torch.from_numpy(np.where(draw.random(count) < density, values, np.float32(0)))


def entropy(symbols: np.ndarray) -> float:
    """Bytes, of zero order."""
    counts = np.unique(symbols, return_counts=True)[1]
    return float(counts @ np.log2(counts.sum() / counts)) / 8


def bound(values: np.ndarray) -> float:
    """Bytes of the values that are not zero, of the zeros between them, and of the raw values they may take.

    Of a matrix: of the whole numbers that each filter's values are of its step, and of the steps.
    """
    if values.ndim == 2:
        step = np.array([np.diff(np.unique(np.abs(row))).min() for row in values], np.float32)
        whole = np.rint(values / step[:, None]).reshape(-1)
        return bound(whole.astype(np.float32)) + step.nbytes
    places = np.flatnonzero(values)
    gaps = entropy(np.diff(places, prepend=-1)) if len(places) < len(values) else 0
    return entropy(values[places]) + gaps + values.itemsize * len(np.unique(values))


POWERS = [-0.5, -0.25, 0.25, 0.5]
NORMAL = np.exp(-0.5 * np.linspace(-3, 3, 200) ** 2)
BOOK = (list(np.linspace(-1, 1, 200) + 0.0012), list(NORMAL / NORMAL.sum()))


def steps_of(density: float, filters: int = 200) -> torch.Tensor:
    """Normal weights in 8 bits, with a scale a filter."""
    draw = np.random.default_rng(0)
    whole = np.rint(draw.standard_normal((filters, 2000)).clip(-4, 4) * 127 / 4)
    whole[:, 0] = 127
    whole *= draw.random(whole.shape) < density
    return torch.from_numpy((whole + 0.0).astype(np.float32) * draw.uniform(0.01, 1, (filters, 1)).astype(np.float32))


CASES = {
    "powers, 5.6 %": ("power_of_two", drawn(0.056, POWERS, [0.1, 0.4, 0.4, 0.1])),
    "powers, 30 %": ("power_of_two", drawn(0.3, POWERS, [0.1, 0.4, 0.4, 0.1])),
    "powers, 60 %": ("power_of_two", drawn(0.6, POWERS, [0.1, 0.4, 0.4, 0.1])),
    "powers, 90 %": ("power_of_two", drawn(0.9, POWERS, [0.1, 0.4, 0.4, 0.1])),
    "powers, all": ("power_of_two", drawn(1.0, POWERS, [0.05, 0.45, 0.45, 0.05])),
    "sixteen powers": ("power_of_two", drawn(1.0, [s * 2.0**-e for s in (1, -1) for e in range(8)], [1 / 16] * 16)),
    "book, 30 %": ("codebook", drawn(0.3, *BOOK)),
    "book, all": ("codebook", drawn(1.0, *BOOK)),
    "book, 2 %": ("codebook", drawn(0.02, *BOOK)),
    "steps, all": ("int8", steps_of(1.0)),
    "steps, 20 %": ("int8", steps_of(0.2)),
    "steps, 5 %": ("int8", steps_of(0.05)),
    "signs": ("bits", drawn(1.0, [-0.3, 0.3], [0.5, 0.5])),
    "signs, seldom minus": ("bits", drawn(1.0, [-0.3, 0.3], [0.1, 0.9])),
}


@pytest.mark.parametrize("name", CASES)
def test_within_three_percent_of_the_entropy(name: str) -> None:
    kind, values = CASES[name]
    encoded = encode(BitPatterns.of([values]), "default")
    assert encoded.coding.kind == kind
    assert encoded.size <= 1.03 * bound(values.numpy())


def test_values_that_are_all_different_are_plain_and_their_exponents_shrink() -> None:
    values = torch.randn(200_000, generator=torch.Generator().manual_seed(0))
    encoded = encode(BitPatterns.of([values]), "default")
    assert encoded.coding.kind == "dense"
    exponents = (values.view(torch.int32).numpy() >> 23) & 255
    assert encoded.size <= 1.01 * (3 * len(values) + entropy(exponents))
    pruned = values * (values.abs() > 1.5)
    assert encode(BitPatterns.of([pruned]), "default").coding.kind == "sparse"


@pytest.mark.parametrize("name", ["dense", "powers", "sparse-shared", "binary", "mixed"])
def test_more_effort_is_never_larger(tmp_path: Path, name: str) -> None:
    variant = VARIANTS[name]()
    fast, default, best = (write(variant, tmp_path / effort, effort=effort) for effort in ("fast", "default", "best"))
    assert best <= default + 20  # the header's own compression differs by some bytes
    assert default <= fast + 20


def test_no_section_expands_more_than_deflate_can() -> None:
    """A reader refuses what declares more, so that no small file fills the memory."""
    values = torch.zeros(3_000_000)
    values[[7, 1_000_000]] = 0.3
    for effort in ("fast", "default"):
        encoded = encode(BitPatterns.of([values]), effort)
        assert values.nbytes <= DEFLATE_RATIO * encoded.size
        assert encoded.size < 12_000


@pytest.mark.parametrize("effort", ["fast", "default", "best"])
@pytest.mark.parametrize("data", [b"", b"a", bytes(5000), bytes(range(256)) * 9000])
def test_streams_inflate_to_exactly_what_they_declare(effort: str, data: bytes) -> None:
    packed = deflate(data, effort)
    assert inflate(packed, len(data)) == data
    for length, bad in [(len(data) + 1, packed), (len(data), packed[:-1]), (len(data), packed + b"x")]:
        with pytest.raises(StoreError, match="DEFLATE"):
            inflate(bad, length)
    if data:
        with pytest.raises(StoreError, match="DEFLATE"):
            inflate(packed, len(data) - 1)
