"""The worst case per example, against brute force over hand-made rows."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest

from analysis.rows import rows
from brinell.analysis.robustness.worst_case import combine, nearest, standing, worst_case

POINTS = [("linf", 0.1, ["a", "b"]), ("linf", 0.2, ["a"])]


def test_any_trial_breaks_an_example_and_the_clean_verdict_counts() -> None:
    first = nearest(rows([1, 0, 0, 0], clean=[0, 0, 0, 1], epsilon=0.1))
    second = nearest(rows([0, 1, 0, 0], clean=[0, 0, 0, 1], epsilon=0.1))
    found = worst_case(combine([first, second]), POINTS)
    assert found["correct"].to_list() == [1, 1]
    assert found["robust_accuracy"].to_list() == [0.25, 0.25]


def test_only_what_every_trial_covered_counts() -> None:
    whole, half = nearest(rows([0, 0, 1, 1])), nearest(rows([0, 0, 0, 0]).head(3))
    found = combine([whole, half])
    assert standing(found, "linf", 0.1)["example_id"].to_list() == [0, 1, 2]
    assert worst_case(found, POINTS)["examples"].to_list() == [3, 3]


def test_few_examples_at_a_large_radius_leave_the_small_ones_alone() -> None:
    wide, narrow = nearest(rows([0, 0, 1, 1], epsilon=0.1)), nearest(rows([1, 0], epsilon=0.2))
    found = worst_case(combine([wide, narrow]), POINTS)
    assert found["examples"].to_list() == [4, 2]
    assert found["correct"].to_list() == [2, 1]


def test_an_attack_without_a_radius_counts_at_every_one() -> None:
    wide, free = nearest(rows([0, 0, 1], epsilon=0.1)), nearest(rows([0, 0], epsilon=None, linf=[1.0, 1.0]))
    assert worst_case(combine([wide, free]), POINTS)["examples"].to_list() == [2, 2]


def test_an_l2_row_counts_where_its_linf_distance_fits() -> None:
    far = nearest(rows([1, 1], epsilon=1.0, linf=[0.1, 0.15]))
    assert standing(combine([far]), "linf", 0.1)["correct"].to_list() == [False, True]
    assert standing(combine([far]), "l2", 0.4)["correct"].to_list() == [True, True]
    assert standing(combine([far]), "l2", 0.5)["correct"].to_list() == [False, False]


def test_float32_rounding_does_not_rescue_an_example() -> None:
    epsilon = 2 / 255
    beyond = float(np.nextafter(np.float32(epsilon), np.float32(1)))
    near = combine([nearest(rows([1], epsilon=epsilon, linf=[beyond]))])
    assert not standing(near, "linf", epsilon)["correct"][0]


def test_a_distance_that_is_no_number_is_the_rows_own_radius() -> None:
    near = combine([nearest(rows([1], epsilon=0.1, linf=[math.nan]))])
    assert standing(near, "linf", 0.1)["correct"].to_list() == [False]
    assert standing(near, "linf", 0.05)["correct"].to_list() == [True]


def test_equals_brute_force() -> None:
    generator = np.random.default_rng(0)
    radii = (0.1, 0.2, 0.3)
    trials = [
        pl.concat([rows(generator.integers(0, 2, 30).tolist(), epsilon=radius) for radius in radii]) for _ in range(3)
    ]
    near = combine([nearest(trial) for trial in trials])
    for radius in radii:
        every = pl.concat(trials).filter(pl.col("epsilon") <= radius)
        broken = every.group_by("example_id").agg((pl.col("rank") > 0).any())["rank"].sum()
        assert 30 - standing(near, "linf", radius)["correct"].sum() == broken


def test_a_larger_radius_never_helps() -> None:
    near = combine([nearest(pl.concat([rows([1, 1, 0], epsilon=0.1), rows([0, 0, 0], epsilon=0.2)]))])
    found = worst_case(near, POINTS)["robust_accuracy"].to_list()
    assert found[1] <= found[0] == pytest.approx(1 / 3)
