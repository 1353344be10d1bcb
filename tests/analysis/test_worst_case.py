"""The worst case per example, against brute force over hand-made rows."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest

from analysis.rows import rows
from brinell.analysis.robustness.worst_case import combine, standing, worst_case
from brinell.analysis.robustness.worst_case import trial_errors as errors_of_trial


def trial_errors(frame, attack="a", norm="linf", planned=None):
    return errors_of_trial(frame, attack, norm, planned)


POINTS = [("linf", 0.1, ["a", "b"]), ("linf", 0.2, ["a"])]


def test_any_trial_breaks_an_example_and_the_clean_verdict_counts() -> None:
    first = trial_errors(rows([1, 0, 0, 0], clean=[0, 0, 0, 1], epsilon=0.1))
    second = trial_errors(rows([0, 1, 0, 0], clean=[0, 0, 0, 1], epsilon=0.1))
    found = worst_case(combine([first, second]), POINTS)
    assert found["correct"].to_list() == [1, 1]
    assert found["robust_accuracy"].to_list() == [0.25, 0.25]


def test_only_what_every_trial_covered_counts() -> None:
    """The second trial is not finished."""
    whole, half = trial_errors(rows([0, 0, 1, 1])), trial_errors(rows([0, 0, 0, 0]).head(3), planned=4)
    found = combine([whole, half])
    assert standing(found, "linf", 0.1)["example_id"].to_list() == [0, 1, 2]
    assert worst_case(found, POINTS)["examples"].to_list() == [3, 3]


def test_an_attack_on_few_examples_leaves_the_others_in() -> None:
    ranks = [0, 0, 1, 1, 0]
    wide = trial_errors(pl.concat([rows(ranks, epsilon=0.1), rows(ranks, epsilon=0.2)]), "pgd")
    few = trial_errors(rows([1, 0], epsilon=None, linf=[0.15, 1.0]), "cw")
    found = worst_case(combine([wide, few]), POINTS)
    assert found["examples"].to_list() == [5, 5]
    assert found["correct"].to_list() == [3, 2]  # what it breaks within 0.15 is broken within 0.2
    assert found["over"].to_list() == [["pgd", "cw"]] * 2
    assert found["over_examples"].to_list() == [[5, 2]] * 2


def test_a_small_radius_that_only_an_attack_on_few_examples_reads_counts_these() -> None:
    wide, narrow = trial_errors(rows([0, 0, 1, 1], epsilon=0.2), "pgd"), trial_errors(rows([1, 0], epsilon=0.1), "cw")
    found = worst_case(combine([wide, narrow]), POINTS)
    assert found["examples"].to_list() == [2, 4]
    assert found["correct"].to_list() == [1, 1]
    assert found["over"].to_list() == [["cw"], ["pgd", "cw"]]


def test_a_large_radius_counts_only_what_was_attacked_there() -> None:
    wide, narrow = trial_errors(rows([0, 0, 1, 1], epsilon=0.1), "pgd"), trial_errors(rows([1, 0], epsilon=0.2), "cw")
    found = worst_case(combine([wide, narrow]), POINTS)
    assert found["examples"].to_list() == [4, 2]
    assert found["correct"].to_list() == [2, 1]


def test_another_norm_says_nothing_of_how_many_count() -> None:
    """DeepFool in l2 on all, PGD in linf on two: within the linf radius only these two were attacked."""
    free = trial_errors(rows([1, 1, 1, 1], epsilon=None, linf=[1.0] * 4), "deepfool", "l2")
    found = worst_case(combine([free, trial_errors(rows([1, 0]), "pgd")]), POINTS)
    assert found["examples"].to_list() == [2, 2]
    assert found["correct"].to_list() == [1, 1]


def test_seeds_of_one_attack_are_counted_once() -> None:
    found = worst_case(combine([trial_errors(rows([0, 1]), "pgd"), trial_errors(rows([1, 0]), "pgd")]), POINTS)
    assert found["over"].to_list() == [["pgd"]] * 2
    assert found["over_examples"].to_list() == [[2]] * 2


def test_an_l2_row_counts_where_its_linf_distance_fits() -> None:
    far = trial_errors(rows([1, 1], epsilon=1.0, linf=[0.1, 0.15]))
    assert standing(combine([far]), "linf", 0.1)["correct"].to_list() == [False, True]
    assert standing(combine([far]), "l2", 0.4)["correct"].to_list() == [True, True]
    assert standing(combine([far]), "l2", 0.5)["correct"].to_list() == [False, False]


def test_float32_rounding_does_not_rescue_an_example() -> None:
    epsilon = 2 / 255
    beyond = float(np.nextafter(np.float32(epsilon), np.float32(1)))
    near = combine([trial_errors(rows([1], epsilon=epsilon, linf=[beyond]))])
    assert not standing(near, "linf", epsilon)["correct"][0]


def test_a_distance_that_is_no_number_is_the_rows_own_radius() -> None:
    near = combine([trial_errors(rows([1], epsilon=0.1, linf=[math.nan]))])
    assert standing(near, "linf", 0.1)["correct"].to_list() == [False]
    assert standing(near, "linf", 0.05)["correct"].to_list() == [True]


def test_equals_brute_force() -> None:
    generator = np.random.default_rng(0)
    radii = (0.1, 0.2, 0.3)
    trials = [
        pl.concat([rows(generator.integers(0, 2, 30).tolist(), epsilon=radius) for radius in radii]) for _ in range(3)
    ]
    near = combine([trial_errors(trial) for trial in trials])
    for radius in radii:
        every = pl.concat(trials).filter(pl.col("epsilon") <= radius)
        broken = every.group_by("example_id").agg((pl.col("rank") > 0).any())["rank"].sum()
        assert 30 - standing(near, "linf", radius)["correct"].sum() == broken


def test_a_larger_radius_never_helps() -> None:
    near = combine([trial_errors(pl.concat([rows([1, 1, 0], epsilon=0.1), rows([0, 0, 0], epsilon=0.2)]))])
    found = worst_case(near, POINTS)["robust_accuracy"].to_list()
    assert found[1] <= found[0] == pytest.approx(1 / 3)
