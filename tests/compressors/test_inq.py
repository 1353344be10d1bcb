"""Incremental quantisation: exact powers of two, frozen for good."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import Tensor, nn

from brinell import container
from brinell.compressors import DNS, INQ, Prune
from brinell.compressors.checks.float_layers import float_weights
from brinell.compressors.inq import SHARES
from brinell.compressors.power_of_two import best_exponent_range, exponent_range, nearest_power
from brinell.core import ConfigurationError
from brinell.data import Dataset
from brinell.training import Adversarial, Train
from brinell.variants import Variant

QUICK = Train(epochs=1, batch_size=50, learning_rate=0.05, weight_decay=1e-3)


def weights(variant: Variant) -> dict[str, Tensor]:
    return {name: weight.detach() for name, weight in float_weights(variant.deployed()).items()}


def assert_powers_of_two(weight: Tensor) -> None:
    mantissa, _ = torch.frexp(weight[weight != 0].abs())
    assert torch.equal(mantissa, torch.full_like(mantissa, 0.5))
    assert not torch.signbit(weight[weight == 0]).any()


@pytest.mark.parametrize(
    ("largest", "bits", "expected"),
    [
        (1.0, 5, (-7, 0)),  # 4/3 -> 2^0
        (0.75, 5, (-7, 0)),  # 4 * 0.75 / 3 = 1 exactly
        (0.7499, 5, (-8, -1)),
        (1.5, 5, (-6, 1)),
        (0.1, 3, (-4, -3)),  # 0.1333 -> 2^-3
        (0.1, 2, (-3, -3)),
        (3.0, 4, (-1, 2)),
    ],
)
def test_levels_worked_out_by_hand(largest: float, bits: int, expected: tuple[int, int]) -> None:
    assert exponent_range(torch.tensor([0.01, -largest, 0.05]), bits) == expected
    lowest, highest = expected
    assert 2 * (highest - lowest + 1) + 1 == 2 ** (bits - 1) + 1  # 17, 9, 5 and 3 levels


def test_a_tensor_quantised_by_hand() -> None:
    weight = torch.tensor([0.9, -0.76, 0.74, 0.375, 0.374, -0.2, 0.125, 0.1249, 0.0, -5.0])
    # levels 0, +-1/4, +-1/2, +-1: borders at 1/8, 3/8 and 3/4; ties go away from zero
    expected = torch.tensor([1.0, -1.0, 0.5, 0.5, 0.25, -0.25, 0.25, 0.0, 0.0, -1.0])
    assert torch.equal(nearest_power(weight, -2, 0), expected)


@given(st.floats(2.0**-60, 2.0**60, width=32), st.integers(2, 8))
def test_exponents_are_those_of_exact_arithmetic(largest: float, bits: int) -> None:
    lowest, highest = exponent_range(torch.tensor([largest]), bits)
    wanted = Fraction(4, 3) * Fraction(largest)
    assert Fraction(2) ** highest <= wanted < Fraction(2) ** (highest + 1)
    assert lowest == highest + 1 - 2 ** (bits - 1) // 2


@given(st.lists(st.floats(-4, 4, width=32), min_size=1, max_size=40), st.integers(-6, 0), st.integers(0, 5))
def test_the_nearest_level_is_the_one_that_brute_force_finds(values: list[float], lowest: int, more: int) -> None:
    highest = lowest + more
    powers = [math.ldexp(1.0, power) for power in range(lowest, highest + 1)]
    levels = [0.0, *powers]
    for value, found in zip(values, nearest_power(torch.tensor(values), lowest, highest).tolist(), strict=True):
        best = max(levels, key=lambda level: (-abs(abs(value) - level), level))
        assert found == math.copysign(best, value) or found == best == 0


@pytest.mark.parametrize("bits", [2, 3, 5])
@pytest.mark.parametrize("partition", ["largest", "smallest", "random"])
def test_every_weight_ends_at_a_level(bits: int, partition: str, baseline: Variant, sample: Dataset) -> None:
    child = INQ(weight_bits=bits, partition=partition, shares=(0.5, 1), train=QUICK).compress(baseline, sample, seed=0)
    for name, weight in weights(child).items():
        assert_powers_of_two(weight)
        lowest, highest = child.lineage[-1].figures["exponents"][name]
        assert (lowest, highest) == exponent_range(weights(baseline)[name], bits)
        allowed = {0.0} | {sign * math.ldexp(1.0, k) for k in range(lowest, highest + 1) for sign in (1, -1)}
        assert set(weight.unique().tolist()) <= allowed
    moved = [name for name, tensor in child.tensors.items() if "bn" in name and "weight" in name]
    assert any(not torch.equal(child.tensors[name], baseline.tensors[name]) for name in moved)


def test_frozen_weights_never_move_and_the_partition_is_by_magnitude(
    baseline: Variant, sample: Dataset, tmp_path: Path
) -> None:
    compressor = INQ(shares=(0.5, 0.75, 0.875, 1), train=QUICK)
    child = compressor.compress(baseline, sample, seed=0, checkpoint=tmp_path)
    stages = [load_file(tmp_path / f"{stage:02d}" / "training.safetensors") for stage in range(1, 5)]
    for name, start in weights(baseline).items():
        lowest, highest = exponent_range(start, 5)
        frozen = torch.zeros_like(start, dtype=torch.bool)
        before, fixed = start, torch.zeros_like(start)
        for share, stage in zip(compressor.shares or (), stages, strict=True):
            wanted = round(share * start.numel()) - int(frozen.sum())
            order = torch.where(frozen, -1.0, before.abs()).flatten().argsort(descending=True, stable=True)[:wanted]
            fresh = torch.zeros_like(frozen).flatten().index_fill(0, order, True).view_as(frozen)
            fixed = torch.where(fresh, nearest_power(before, lowest, highest), fixed)
            frozen |= fresh
            now = stage[f"module.{name}.weight"]
            assert torch.equal(now[frozen], fixed[frozen])
            if share < 1:
                assert not torch.equal(now[~frozen], before[~frozen])  # the rest was retrained
            before = now
        assert torch.equal(weights(child)[name], fixed)


def test_zeros_stay_zero_unless_told_otherwise(baseline: Variant, sample: Dataset) -> None:
    pruned = Prune(budget={"sparsity": 0.6}, train=QUICK).compress(baseline, sample, seed=0)
    kept = INQ(shares=(0.5, 1), train=QUICK).compress(pruned, sample, seed=0)
    free = INQ(shares=(0.5, 1), keep_zeros=False, train=QUICK).compress(pruned, sample, seed=0)
    zeros = {name: weight == 0 for name, weight in weights(pruned).items()}
    assert all(not weights(kept)[name][mask].any() for name, mask in zeros.items())
    assert any(weights(free)[name][mask].any() for name, mask in zeros.items())


def test_levels_that_change_the_weights_least() -> None:
    weight = torch.tensor([1.0] * 50 + [-0.5] * 50 + [16.0, 0.0])
    assert exponent_range(weight, 3) == (3, 4)  # 16, 8 and zero: a hundred weights would be lost
    # Squared changes: 100 * (1 or 1/4) / 2 = 62.5 for the paper's; 8^2 + 62.5 or less one power down, and so on; at
    # (0, 1) only the 16 and the halves change: (16 - 2)^2 + 0 (halves are nearest to 1): 196 + 12.5
    assert best_exponent_range(weight, 3) == (3, 4)
    many = torch.tensor([1.0] * 5000 + [-0.5] * 5000 + [16.0, 0.0])
    assert best_exponent_range(many, 3) == (-1, 0)  # (16 - 1)^2 = 225 and nothing else
    assert best_exponent_range(torch.zeros(3), 3) == exponent_range(torch.zeros(3), 3)


@given(st.lists(st.floats(-4, 4, width=32).filter(lambda value: abs(value) > 1e-3), min_size=1, max_size=30))
def test_no_other_place_changes_them_less(values: list[float]) -> None:
    weight = torch.tensor(values)
    lowest, highest = best_exponent_range(weight, 3)
    own = float((nearest_power(weight, lowest, highest) - weight).double().square().sum())
    top = exponent_range(weight, 3)[1]
    for power in range(top - 8, top + 1):
        assert own <= float((nearest_power(weight, power - 1, power) - weight).double().square().sum()) + 1e-12


def test_after_surgery_few_more_weights_are_lost_at_the_closest_levels(baseline: Variant, sample: Dataset) -> None:
    sparse = DNS(sparsity=0.6, train=QUICK).compress(baseline, sample, seed=0)
    lost = [
        INQ(weight_bits=3, levels=levels, shares=(0.5, 1), train=QUICK).compress(sparse, sample, seed=0)
        for levels in ("largest", "closest")
    ]
    assert lost[1].lineage[-1].figures["sparsity"] < lost[0].lineage[-1].figures["sparsity"]
    for weight in weights(lost[1]).values():
        assert_powers_of_two(weight)


def test_after_surgery_the_file_holds_powers_of_two_and_zeros(
    baseline: Variant, sample: Dataset, tmp_path: Path
) -> None:
    train = QUICK.model_copy(update={"adversarial": Adversarial()})
    sparse = DNS(sparsity=0.6, train=QUICK).compress(baseline, sample, seed=0)
    child = INQ(weight_bits=3, shares=(0.3, 0.6, 0.8, 1), train=train).compress(sparse, sample, seed=0)
    container.write(child, tmp_path / "child.brinell")
    loaded = weights(container.load(tmp_path / "child.brinell"))
    for name, weight in weights(child).items():
        assert_powers_of_two(weight)
        assert not weight[weights(sparse)[name] == 0].any()
        assert torch.equal(loaded[name], weight)
        lowest, highest = exponent_range(weights(sparse)[name], 3)
        assert set(weight[weight != 0].abs().unique().tolist()) <= {2.0**lowest, 2.0**highest}


def test_what_is_quantised_already_stays_where_it_is(baseline: Variant, sample: Dataset, tmp_path: Path) -> None:
    """Also across a file: with all weights frozen at once, a second run finds every one of them at its level."""
    once = INQ(weight_bits=4, shares=(0.5, 1), train=QUICK).compress(baseline, sample, seed=0)
    container.write(once, tmp_path / "once.brinell")
    again = INQ(weight_bits=4, shares=(1,), train=QUICK).compress(
        container.load(tmp_path / "once.brinell"), sample, seed=1
    )
    assert all(torch.equal(weight, weights(once)[name]) for name, weight in weights(again).items())


def test_more_bits_lose_less(baseline: Variant) -> None:
    (weight, *_) = weights(baseline).values()
    errors = [float((nearest_power(weight, *exponent_range(weight, bits)) - weight).norm()) for bits in range(2, 9)]
    assert errors == sorted(errors, reverse=True)


def test_a_layer_without_other_parameters_needs_no_training_at_the_end(sample: Dataset) -> None:
    bare = nn.Sequential(nn.Flatten(), nn.Linear(64, 10, bias=False))
    variant = Variant.of(bare, input_shape=(1, 8, 8), classes=10)
    child = INQ(shares=(0.5, 1), train=QUICK).compress(variant, sample, seed=0)
    assert_powers_of_two(child.tensors["1.weight"])


def test_the_papers_shares_rise_to_one() -> None:
    for shares in SHARES.values():
        assert shares[-1] == 1
        assert all(a < b for a, b in itertools.pairwise(shares))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"weight_bits": 1}, "weight_bits: input should be greater than or equal to 2"),
        ({"weight_bits": 9}, "weight_bits: input should be less than or equal to 8"),
        ({"shares": [0.5, 0.4, 1]}, "shares: expected shares above 0 that rise to exactly 1"),
        ({"shares": [0.5]}, "rise to exactly 1"),
        ({"shares": []}, "rise to exactly 1"),
        ({"partition": "middle"}, "'largest', 'smallest' or 'random'"),
    ],
)
def test_bad_settings_are_refused_by_name(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        INQ.parse(fields)
