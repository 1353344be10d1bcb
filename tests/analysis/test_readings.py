"""Counts and shares of hand-made rows."""

from __future__ import annotations

import math

import polars as pl
import pytest

from analysis.rows import rows
from brinell.analysis.robustness.readings import READING_SCHEMA, readings
from brinell.analysis.robustness.seed_means import RERUN_SCHEMA, seed_means


def one(frame: pl.DataFrame) -> dict[str, object]:
    (found,) = readings(frame).to_dicts()
    return found


def test_shares_of_six_examples() -> None:
    # right-right, right-wrong three times (ranks 1, 4, 5), wrong-wrong, wrong-right
    found = one(rows([0, 1, 4, 5, 2, 0], clean=[0, 0, 0, 0, 1, 1]))
    assert (found["examples"], found["clean_correct"], found["correct"]) == (6, 4, 2)
    assert found["clean_accuracy"] == pytest.approx(4 / 6)
    assert found["robust_accuracy"] == pytest.approx(2 / 6)
    assert found["strain"] == pytest.approx((4 - 2) / 4)
    assert found["attack_success_rate"] == pytest.approx(3 / 4)  # wrong -> right is no success and no failure
    assert found["top5_accuracy"] == pytest.approx(5 / 6)


def test_an_attack_that_helps_has_negative_strain() -> None:
    assert one(rows([0, 0], clean=[0, 1]))["strain"] == -1.0


def test_nothing_right_before_leaves_strain_unknown() -> None:
    found = one(rows([1, 1], clean=[1, 1]))
    assert (found["strain"], found["attack_success_rate"]) == (None, None)


def test_void_rounding_is_left_out() -> None:
    found = one(rows([0, 1, 1], rank_rounded=[None, 1, 0]))
    assert (found["rounded_examples"], found["rounded_accuracy"]) == (2, 0.5)
    nothing = one(rows([0, 1]))
    assert (nothing["rounded_examples"], nothing["rounded_accuracy"]) == (0, None)


def test_zero_gradients_are_a_share_of_backward_passes() -> None:
    assert one(rows([0, 1], backwards=[30, 10], zero_gradients=[10, 0]))["zero_gradient_share"] == 0.25
    assert one(rows([0, 1]))["zero_gradient_share"] is None  # not counted is not zero
    assert one(rows([0, 1], backwards=0, zero_gradients=0))["zero_gradient_share"] is None


def test_medians_are_of_what_was_broken() -> None:
    found = one(rows([0, 1, 2, 1, 1], clean=[0, 0, 0, 0, 1], l2=[9.0, 1.0, 3.0, math.nan, 9.0]))
    assert found["median_l2"] == 2.0
    assert one(rows([0, 0]))["median_l2"] is None


def test_points_come_apart_in_order_and_minimum_norm_last() -> None:
    frame = pl.concat([rows([0], epsilon=None), rows([1], epsilon=0.2), rows([0], epsilon=0.1)])
    assert readings(frame)["epsilon"].to_list() == [0.1, 0.2, None]


def test_reruns_average_seeds_and_keep_the_examples_interval() -> None:
    parts = []
    for seed, ranks in enumerate([[0, 0, 0, 1], [0, 0, 1, 1]]):
        named = {"variant": "v", "attack": "pgd", "kind": "pgd", "crafted_on": "v", "norm": "linf"}
        frame = readings(rows(ranks)).with_columns(
            seed=pl.lit(seed, dtype=pl.Int64), **{k: pl.lit(v) for k, v in named.items()}
        )
        parts.append(frame.select(list(READING_SCHEMA)))
    (found,) = seed_means(pl.concat(parts)).to_dicts()
    assert list(found) == list(RERUN_SCHEMA)
    assert (found["seeds"], found["examples"], found["robust_accuracy"]) == (2, 4, 0.625)
    assert found["robust_accuracy_spread"] == pytest.approx(math.sqrt(2) * 0.125)
    assert found["robust_accuracy_low"] < 0.5  # eight rows, but four examples
    (single,) = seed_means(parts[0]).to_dicts()
    assert single["robust_accuracy_spread"] is None


def test_no_rows_give_no_readings() -> None:
    assert readings(rows([])).is_empty()
    assert seed_means(pl.DataFrame(schema=READING_SCHEMA)).is_empty()
