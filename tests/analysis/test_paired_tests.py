"""McNemar's exact test against SciPy's binomial test, and comparisons on shared examples."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from brinell.analysis import mcnemar
from brinell.analysis.significance.paired_tests import compare


@given(st.integers(0, 3000), st.integers(0, 3000))
def test_equals_the_binomial_test(one: int, other: int) -> None:
    expected = binomtest(one, one + other).pvalue if one + other else 1.0
    assert mcnemar(one, other) == pytest.approx(expected, rel=1e-9, abs=1e-280)
    assert mcnemar(one, other) == mcnemar(other, one)


def outcomes(ids: list[int], correct: list[bool], epsilon: float | None = 0.1) -> pl.DataFrame:
    return pl.DataFrame(
        {"example_id": ids, "epsilon": [epsilon] * len(ids), "correct": correct},
        schema={"example_id": pl.Int64, "epsilon": pl.Float64, "correct": pl.Boolean},
    )


def test_counts_discordant_pairs_of_shared_examples_only() -> None:
    variant = outcomes([1, 2, 3, 4, 99], [True, True, False, False, True])
    baseline = outcomes([4, 3, 2, 1, 77], [True, False, True, False, True])
    (found,) = compare(variant, baseline, ["epsilon"]).to_dicts()
    assert (found["examples"], found["only_variant"], found["only_baseline"]) == (4, 1, 1)
    assert (found["difference"], found["p_value"], found["verdict"]) == (0.0, 1.0, "no difference")


@pytest.mark.parametrize(("wins", "losses", "verdict"), [(6, 0, "better"), (0, 6, "worse"), (5, 0, "no difference")])
def test_verdict_turns_at_the_level(wins: int, losses: int, verdict: str) -> None:
    count = wins + losses + 10  # 2 / 2**6 = 0.031 is under 0.05, 2 / 2**5 = 0.0625 is not
    variant = outcomes(list(range(count)), [place < wins or place >= wins + losses for place in range(count)])
    baseline = outcomes(list(range(count)), [place >= wins for place in range(count)])
    (found,) = compare(variant, baseline, ["epsilon"]).to_dicts()
    assert found["verdict"] == verdict
    assert found["difference"] == pytest.approx((wins - losses) / count)


def test_minimum_norm_readings_meet_each_other() -> None:
    pair = compare(outcomes([1], [True], None), outcomes([1], [False], None), ["epsilon"])
    assert pair["only_variant"].to_list() == [1]


def test_nothing_shared_gives_nothing() -> None:
    assert compare(outcomes([1], [True]), outcomes([2], [True]), ["epsilon"]).is_empty()
