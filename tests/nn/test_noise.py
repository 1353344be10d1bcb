"""Noise against a plain SplitMix64, against its own independence of batches, and against statistics."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from brinell.core import derive_seed
from brinell.nn import gaussian, random_bits, uniform
from brinell.nn.noise import _mix

MASK = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15


def mix(value: int) -> int:
    """SplitMix64's finaliser in Python's own unbounded integers."""
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
    return value ^ (value >> 31)


def signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def test_the_reference_gives_the_published_sequence() -> None:
    """Seed 1234567, as in the generator's public test vectors."""
    published = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    assert [mix((1234567 + step * GOLDEN) & MASK) for step in range(1, 6)] == published


@given(st.lists(st.integers(0, MASK), min_size=1, max_size=20))
def test_mixing_in_int64_is_mixing_in_uint64(values: list[int]) -> None:
    mixed = _mix(torch.tensor([signed(value) for value in values]))
    assert [int(value) & MASK for value in mixed] == [mix(value) for value in values]


@given(st.integers(0, 1 << 62), st.integers(0, 1 << 40), st.integers(0, 5), st.integers(0, 5))
def test_uniform_is_the_reference_seeded_by_the_example(seed: int, example: int, restart: int, step: int) -> None:
    row = mix((example * GOLDEN + derive_seed(seed, "start", restart, step)) & MASK)
    expected = [(mix((row + cell * GOLDEN) & MASK) >> 40) / 2**24 for cell in range(1, 13)]
    drawn = uniform(seed, "start", torch.tensor([example]), (3, 2, 2), restart, step)
    assert drawn.shape == (1, 3, 2, 2)
    assert drawn.dtype == torch.float32
    assert drawn.flatten().tolist() == expected


@pytest.mark.parametrize("draw", [uniform, gaussian, random_bits])
def test_a_row_is_the_same_in_any_batch_and_order(draw: object) -> None:
    ids = torch.tensor([5, 0, 17, 999_999, 3, 10**12])
    together = draw(7, "start", ids, (3, 4, 4), 2)  # type: ignore[operator]
    order = torch.tensor([4, 2, 0, 5, 1, 3])
    assert torch.equal(draw(7, "start", ids[order], (3, 4, 4), 2), together[order])  # type: ignore[operator]
    for row, example in enumerate(ids):
        assert torch.equal(draw(7, "start", example[None], (3, 4, 4), 2)[0], together[row])  # type: ignore[operator]
    assert draw(7, "start", ids[:0], (3, 4, 4)).shape == (0, 3, 4, 4)  # type: ignore[operator]


@pytest.mark.parametrize("draw", [uniform, gaussian, random_bits])
def test_every_part_of_the_address_matters(draw: object) -> None:
    ids = torch.arange(4)
    addresses = [
        (0, "a", ids, (50,)),
        (1, "a", ids, (50,)),
        (0, "b", ids, (50,)),
        (0, "a", ids, (50,), 0),
        (0, "a", ids, (50,), 1),
        (0, "a", ids, (50,), 0, 1),
        (0, "a", ids, (50,), 1, 0),
        (0, "a", ids + 4, (50,)),
    ]
    drawn = [row for address in addresses for row in draw(*address)]  # type: ignore[operator]
    assert not any(torch.equal(one, other) for one, other in itertools.combinations(drawn, 2))


def test_uniform_fills_its_range_evenly_and_stays_inside() -> None:
    values = uniform(3, "statistics", torch.arange(2000), (100,)).double()
    assert values.min() >= 0
    assert values.max() < 1
    count = values.numel()
    assert abs(values.mean() - 0.5) < 5 * math.sqrt(1 / 12 / count)
    assert abs(values.square().mean() - 1 / 3) < 5 * math.sqrt(4 / 45 / count)
    bins = torch.histc(values, 100, 0, 1)
    squares = float(((bins - count / 100) ** 2 / (count / 100)).sum())
    assert 40 < squares < 180  # chi-square of 99 degrees: mean 99, deviation 14
    whole = values * 2**24
    assert torch.equal(whole, whole.floor())


@pytest.mark.parametrize("draw", [uniform, gaussian])
def test_rows_cells_and_addresses_are_uncorrelated(draw: object) -> None:
    values = draw(3, "correlation", torch.arange(300), (300,)).double()  # type: ignore[operator]
    other = draw(3, "correlation", torch.arange(300), (300,), 1).double()  # type: ignore[operator]
    values, other = ((part - part.mean()) / part.std() for part in (values, other))
    limit = 5 / math.sqrt(values.numel())
    assert abs((values[:-1] * values[1:]).mean()) < limit
    assert abs((values[:, :-1] * values[:, 1:]).mean()) < limit
    assert abs((values * other).mean()) < limit
    assert abs((values * values.T).mean()) < 2 * limit  # the diagonal is with itself


def test_gaussian_has_a_normal_s_moments_and_tails() -> None:
    values = gaussian(3, "moments", torch.arange(2000), (100,)).double()
    assert torch.isfinite(values).all()
    count = values.numel()
    for power, moment, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs(values.pow(power).mean() - moment) < 5 * math.sqrt(variance / count), power
    for limit, share in ((1, 0.317311), (2, 0.045500), (3, 0.002700)):
        found = float((values.abs() > limit).double().mean())
        assert abs(found - share) < 5 * math.sqrt(share / count), limit


def test_words_are_even_in_every_part_and_uncorrelated() -> None:
    drawn = random_bits(3, "words", torch.arange(400), (400,)).numpy().view(np.uint64)
    bits = ((drawn[..., None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)).astype(np.float64) * 2 - 1
    limit = 5 / math.sqrt(drawn.size)
    assert np.abs(bits.mean((0, 1))).max() < limit
    assert np.abs((bits[:-1] * bits[1:]).mean((0, 1))).max() < limit  # between examples
    assert np.abs((bits[:, :-1] * bits[:, 1:]).mean((0, 1))).max() < limit  # between cells
    between = np.einsum("nci,ncj->ij", bits, bits) / drawn.size  # between bits of a word
    assert np.abs(between - np.eye(64)).max() < 1.2 * limit
    for part in drawn[..., None].view(np.uint8).reshape(-1, 8).T:
        squares = ((np.bincount(part, minlength=256) - part.size / 256) ** 2 / (part.size / 256)).sum()
        assert 150 < squares < 380  # 255 degrees: mean 255, deviation 23


def test_devices_do_not_matter() -> None:
    ids = torch.arange(3)
    meta = uniform(0, "a", ids.to("meta"), (2,))
    assert meta.device.type == "meta", "everything follows the ids' device: nothing is drawn from a generator"
