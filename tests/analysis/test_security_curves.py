"""Security curves of distances that are known."""

from __future__ import annotations

import math

import polars as pl
import pytest

from analysis.rows import rows
from brinell.analysis.robustness.security_curves import POINTS, SECURITY_SCHEMA, distances, security


def curve(frame: pl.DataFrame, variant: str) -> list[tuple[float, float]]:
    return list(frame.filter(pl.col("variant") == variant).select("distance", "accuracy").iter_rows())


def test_accuracy_falls_where_examples_break() -> None:
    found = [
        # wrong from the start, broken at 1, at 2, never
        *distances(rows([1, 1, 1, 0], clean=[1, 0, 0, 0], epsilon=None, l2=[0.0, 1.0, 2.0, 9.0]), "net", "cw", "l2"),
        *distances(rows([1] * 4, epsilon=None, l2=[4.0] * 4), "other", "cw", "l2"),
    ]
    frame = security(found)
    assert frame.columns == list(SECURITY_SCHEMA)
    net = curve(frame, "net")
    assert len(net) == POINTS
    for distance, accuracy in net:
        broken = 1 + (distance >= 1.0) + (distance >= 2.0)
        assert accuracy == pytest.approx(1 - broken / 4)
    assert [distance for distance, _ in net] == [distance for distance, _ in curve(frame, "other")]
    assert frame.filter(pl.col("variant") == "other")["median"][0] == 4.0
    assert frame.filter(pl.col("variant") == "net")["median"][0] == 1.5


def test_seeds_are_averaged_and_what_is_never_broken_has_no_median() -> None:
    runs = [rows([1, 1], epsilon=None, l2=[1.0, 1.0]), rows([0, 0], epsilon=None)]
    frame = security([item for run in runs for item in distances(run, "net", "cw", "l2")])
    assert (frame["runs"][0], frame["examples"][0]) == (2, 2)
    assert frame["accuracy"][-1] == pytest.approx(0.5)
    unbroken = security(distances(rows([0, 0], epsilon=None), "net", "cw", "l2"))
    assert unbroken["median"][0] is None
    assert set(unbroken["accuracy"]) == {1.0}


def test_readings_at_a_radius_and_other_norms_have_no_curve() -> None:
    assert not list(distances(rows([1, 1], epsilon=0.1), "net", "pgd", "linf"))
    assert not list(distances(rows([1], epsilon=None), "net", "pixels", "l0"))
    assert security([]).is_empty()


def test_a_distance_that_is_no_number_is_not_a_distance() -> None:
    (found,) = distances(rows([1, 1], epsilon=None, l2=[math.nan, 1.0]), "net", "cw", "l2")
    assert found.values.tolist() == [1.0, math.inf]
