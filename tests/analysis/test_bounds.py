"""One-sided bounds against scipy's exact intervals, brute-force likelihoods and the coverage that they promise."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import binom, binomtest, norm

from brinell.analysis.significance.bounds import CONFIDENCE, Z, difference_bounds, share_bounds


def test_the_quantile_is_the_normal_distributions() -> None:
    assert norm.ppf(CONFIDENCE) == pytest.approx(Z, abs=1e-12)


@pytest.mark.parametrize(("correct", "examples"), [(0, 10), (10, 10), (7, 10), (901, 1000), (1, 3), (499, 500)])
def test_a_share_has_the_exact_bounds_of_scipy(correct: int, examples: int) -> None:
    low, high = share_bounds(correct, examples)
    greater = binomtest(correct, examples, alternative="greater").proportion_ci(CONFIDENCE, method="exact")
    less = binomtest(correct, examples, alternative="less").proportion_ci(CONFIDENCE, method="exact")
    assert low == pytest.approx(greater.low, abs=1e-9)
    assert high == pytest.approx(less.high, abs=1e-9)


def test_nothing_measured_bounds_nothing() -> None:
    assert share_bounds(0, 0) == (0.0, 1.0)
    assert difference_bounds(0, 0, 0) == (-1.0, 1.0)


@pytest.mark.parametrize("share", [0.5, 0.9, 0.99])
def test_a_share_is_under_its_lower_bound_in_five_percent_of_samples_at_most(share: float) -> None:
    counts = np.arange(61)
    missed = [share_bounds(int(count), 60)[0] > share for count in counts]
    assert binom.pmf(counts, 60, share)[missed].sum() <= 0.05


def test_without_a_differing_example_the_bounds_are_known_in_closed_form() -> None:
    for examples in (1, 20, 1000):
        bound = Z**2 / (examples + Z**2)
        assert difference_bounds(0, 0, examples) == pytest.approx((-bound, bound), abs=1e-9)


def _restricted_score(one: int, other: int, examples: int, delta: float) -> float:
    """The score statistic with the likelihood's maximum under the hypothesis found by a search."""

    def unlikelihood(share: float) -> float:
        shares = (share + delta, share, 1 - 2 * share - delta)
        counts = (one, other, examples - one - other)
        return -sum(count * math.log(max(value, 1e-300)) for count, value in zip(counts, shares, strict=True) if count)

    low, high = max(0.0, -delta), (1 - delta) / 2
    share = minimize_scalar(unlikelihood, bounds=(low, high), method="bounded", options={"xatol": 1e-12}).x
    return (one - other - examples * delta) / math.sqrt(examples * (2 * share + delta * (1 - delta)))


@pytest.mark.parametrize(("one", "other", "examples"), [(12, 2, 50), (3, 9, 200), (0, 7, 100), (40, 41, 1000)])
def test_the_bounds_invert_the_score_test(one: int, other: int, examples: int) -> None:
    low, high = difference_bounds(one, other, examples)
    assert low < (one - other) / examples < high
    assert _restricted_score(one, other, examples, low) == pytest.approx(Z, abs=1e-4)
    assert _restricted_score(one, other, examples, high) == pytest.approx(-Z, abs=1e-4)


def test_bounds_mirror_when_the_two_swap() -> None:
    low, high = difference_bounds(5, 17, 300)
    assert difference_bounds(17, 5, 300) == pytest.approx((-high, -low), abs=1e-9)


def test_more_examples_of_the_same_shares_tighten_the_bounds() -> None:
    widths = [high - low for low, high in (difference_bounds(3 * k, 5 * k, 100 * k) for k in (1, 4, 16))]
    assert widths[0] > 1.8 * widths[1] > 3.2 * widths[2]


@pytest.mark.parametrize(("gained", "lost"), [(0.02, 0.05), (0.05, 0.05), (0.0, 0.1)])
def test_a_difference_is_under_its_lower_bound_in_about_five_percent_of_samples(gained: float, lost: float) -> None:
    examples, missed = 60, 0.0
    for one, other in product(range(25), range(30)):
        if difference_bounds(one, other, examples)[0] > gained - lost:
            chance = binom.pmf(one + other, examples, gained + lost)
            missed += chance * binom.pmf(one, one + other, gained / (gained + lost))
    assert missed < 0.07  # an asymptotic test: Tango reports levels up to about 0.07 at such sizes
