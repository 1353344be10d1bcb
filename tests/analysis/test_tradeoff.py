"""Fronts and choices, by hand; costs that cannot be trusted."""

from __future__ import annotations

import math

import polars as pl
import pytest

from brinell.analysis import Choice, choose, front
from brinell.analysis.records.costs import costs


def test_front_keeps_what_nothing_beats() -> None:
    assert front([(1, 0.5), (2, 0.6), (2, 0.4), (3, 0.6), (None, 0.9), (4, None)]) == [
        True,
        True,
        False,
        False,
        False,
        False,
    ]
    assert front([(1, 0.5), (1, 0.5)]) == [True, True]
    assert front([]) == []


def variants(**records: tuple[str, int | None, float | None, float | None]) -> pl.DataFrame:
    rows = [(name, *record) for name, record in records.items()]
    names = ("variant", "baseline", "encoded_bytes", "clean_accuracy", "robust_accuracy")
    kinds = (pl.String, pl.String, pl.Int64, pl.Float64, pl.Float64)
    return pl.DataFrame(rows, schema=dict(zip(names, kinds, strict=True)), orient="row")


TABLE = variants(
    base=("base", 1000, 0.90, 0.50),
    same=("base", 1000, 0.95, 0.60),
    half=("base", 500, 0.89, 0.49),
    fifth=("base", 200, 0.88, 0.48),
    tenth=("base", 100, 0.90, 0.30),
)


def test_the_smallest_that_keeps_both_accuracies() -> None:
    (choice,) = choose(TABLE)
    assert (choice.variant, choice.within, choice.size_ratio) == ("fifth", True, 5.0)
    assert (choice.clean_loss, choice.robust_loss) == (pytest.approx(0.02), pytest.approx(0.02))


def test_among_equally_small_files_the_most_robust() -> None:
    twins = variants(
        base=("base", 1000, 0.90, 0.50),
        least=("base", 100, 0.89, 0.49),
        hardy=("base", 105, 0.89, 0.55),
        larger=("base", 106, 0.89, 0.60),
    )
    assert choose(twins)[0].variant == "hardy"
    assert choose(twins, {"hardy"})[0].variant == "least"


def test_a_suspect_is_not_recommended() -> None:
    assert choose(TABLE, {"fifth"})[0].variant == "half"


def test_otherwise_the_nearest_and_not_within() -> None:
    (choice,) = choose(TABLE, {"fifth", "half"})
    assert (choice.variant, choice.within) == ("tenth", False)


def test_each_baseline_has_its_own_and_unknown_figures_are_no_candidates() -> None:
    table = variants(
        base=("base", 10, 0.9, 0.5), a=("base", 5, None, 0.5), big=("big", 9, 0.9, 0.5), b=("big", 3, 0.9, 0.5)
    )
    assert [(choice.baseline, choice.variant) for choice in choose(table)] == [("base", None), ("big", "b")]
    assert choose(variants(base=("base", None, 0.9, 0.5), a=("base", 5, 0.9, 0.5))) == [Choice("base")]


def test_ratio_is_the_baselines_dense_bytes_over_the_file() -> None:
    found = costs({"encoded_bytes": 50, "dense_bytes": 400, "macs": 7.0}, {"dense_bytes": 1000})
    assert (found["compression_ratio"], found["macs"], found["ncc"]) == (20.0, 7, None)
    assert costs({"encoded_bytes": 50, "dense_bytes": 400}, None)["compression_ratio"] == 8.0
    assert set(costs(None, None).values()) == {None}


@pytest.mark.parametrize("value", [math.nan, math.inf, -1, "12", None, True, 0])
def test_a_size_that_is_none_gives_no_ratio(value: object) -> None:
    assert costs({"encoded_bytes": value, "dense_bytes": 400}, None)["compression_ratio"] is None


def test_a_baseline_that_nothing_is_made_from_has_no_choice() -> None:
    assert choose(variants(alone=("alone", 10, 0.9, 0.5))) == []


def test_nothing_smaller_is_told_from_nothing_measured() -> None:
    (bigger,) = choose(variants(base=("base", 10, 0.9, 0.5), a=("base", 11, 0.9, 0.5)))
    assert (bigger.measured, bigger.variant) == (1, None)
