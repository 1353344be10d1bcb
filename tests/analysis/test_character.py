"""Toughness, ductility and character of curves whose answers can be worked out by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brinell.analysis import DUCTILE, STRONG, classify_character, mean_retention, transition_width

LINE = 0.9
"""The breaking strain of a network of accuracy 1 among ten classes."""


@pytest.mark.parametrize(
    ("curve", "tough", "ductile", "found"),
    [
        ([(0, 0), (16, 0)], 1.0, None, "strong"),  # nothing happens
        ([(0, 0), (10, 1)], 0.5, 0.72, "strong"),  # strain 0.09 to 0.81 of a straight line
        ([(0, 0), (10, 0.9)], 0.55, 0.8, "strong"),
        ([(0, 0), (4, 0.9), (16, 0.9)], 0.1 + 0.9 / 2 / 4, 0.2, "brittle"),
        ([(0, 0), (8, 0.9), (16, 0.9)], 0.1 + 0.9 / 2 / 2, 0.4, "ductile"),
        ([(0, 0), (10, 0.05), (11, 1), (20, 1)], 0.975 * 0.5 + 0.475 * 0.05, 0.72 / 0.95 / 20, "strong"),
        ([(0, 0), (2, 1), (3, 1)], 1 / 3, 0.72 * 2 / 3, "ductile"),
        ([(0, 0), (1, 1), (16, 1)], 0.5 / 16, 0.72 / 16, "brittle"),
        ([(0, 0), (5, 0.6), (20, 0.7)], (5 * 0.7 + 15 * 0.35) / 20, (20 - 0.75) / 20, "ductile"),  # 0.81 not reached
        ([(0, 0), (10, -0.1)], 1.05, None, "strong"),  # accuracy rose
    ],
)
def test_known_curves(curve: list[tuple[float, float]], tough: float, ductile: float | None, found: str | None) -> None:
    assert mean_retention(curve) == pytest.approx(tough)
    assert transition_width(curve, LINE) == (None if ductile is None else pytest.approx(ductile))
    assert classify_character(mean_retention(curve), transition_width(curve, LINE), LINE) == found


def test_the_thresholds_are_where_they_are_said_to_be() -> None:
    assert classify_character(STRONG, 0.0, LINE) == "strong"
    assert classify_character(STRONG - 1e-9, DUCTILE, LINE) == "ductile"
    assert classify_character(STRONG - 1e-9, DUCTILE - 1e-9, LINE) == "brittle"


@pytest.mark.parametrize("curve", [[], [(0.0, 0.0)], [(0.0, 0.0), (0.0, 0.5)]])
def test_no_curve_has_no_character(curve: list[tuple[float, float]]) -> None:
    assert mean_retention(curve) is None
    assert transition_width(curve, LINE) is None
    assert classify_character(None, None, LINE) is None


@pytest.mark.parametrize("limit", [None, 0.0])
def test_nothing_to_break_has_no_character(limit: float | None) -> None:
    curve = [(0.0, 0.0), (1.0, 0.5)]
    assert transition_width(curve, limit) is None
    assert classify_character(mean_retention(curve), None, limit) is None


strains = st.lists(st.floats(0, 1), min_size=1, max_size=8).map(sorted)


@given(strains, st.floats(0.1, 100))
def test_the_unit_of_stress_does_not_matter(strains: list[float], unit: float) -> None:
    curve = [(0.0, 0.0), *((float(place + 1), strain) for place, strain in enumerate(strains))]
    scaled = [(stress * unit, strain) for stress, strain in curve]
    assert mean_retention(scaled) == pytest.approx(mean_retention(curve))
    one, other = transition_width(curve, LINE), transition_width(scaled, LINE)
    assert (one is None) == (other is None)
    assert one is None or other == pytest.approx(one, abs=1e-6)


@given(strains)
def test_both_are_shares(strains: list[float]) -> None:
    curve = [(0.0, 0.0), *((float(place + 1), strain) for place, strain in enumerate(strains))]
    assert 0 <= (mean_retention(curve) or 0) <= 1
    assert 0 <= (transition_width(curve, LINE) or 0) <= 1
