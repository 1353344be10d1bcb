"""Wilson intervals against printed values and their own definition."""

from __future__ import annotations

import math

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brinell.analysis import wilson
from brinell.analysis.significance.intervals import Z, with_interval


@pytest.mark.parametrize(
    ("successes", "count", "low", "high"),
    [
        # Newcombe 1998, Statistics in Medicine 17:857-872, table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_printed_values(successes: int, count: int, low: float, high: float) -> None:
    assert wilson(successes / count, count) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 10_000).flatmap(lambda count: st.tuples(st.integers(0, count), st.just(count))))
def test_bounds_are_where_the_score_test_turns(counts: tuple[int, int]) -> None:
    share, count = counts[0] / counts[1], counts[1]
    low, high = wilson(share, count) or (0.0, 0.0)
    assert 0 <= low <= share + 1e-12
    assert share - 1e-12 <= high <= 1
    for bound in (low, high):
        if 1e-9 < bound < 1 - 1e-9:
            assert abs(share - bound) / math.sqrt(bound * (1 - bound) / count) == pytest.approx(Z, rel=1e-6)


@given(st.integers(1, 100_000))
def test_none_and_all_end_exactly_at_zero_and_one(count: int) -> None:
    """The formula leaves 4e-19 there, which a file of unrounded numbers would show."""
    none, every = wilson(0.0, count), wilson(1.0, count)
    assert none is not None
    assert every is not None
    assert none[0] == 0.0 < none[1]
    assert every[0] < every[1] == 1.0


def test_no_examples_have_no_interval() -> None:
    assert wilson(0.5, 0) is None


def test_columns_stand_beside_their_share_and_unknown_stays_unknown() -> None:
    frame = with_interval(pl.DataFrame({"a": [0.5, None, 0.5], "examples": [10, 10, 0]}), "a")
    assert frame.columns == ["a", "a_low", "a_high", "examples"]
    assert frame["a_low"].to_list()[1:] == [None, None]
    assert frame.row(0)[1:3] == pytest.approx(wilson(0.5, 10))
