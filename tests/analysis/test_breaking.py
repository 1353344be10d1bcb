"""The breaking line and stress, by hand."""

from __future__ import annotations

import math

import pytest

from brinell.analysis import breaking_line, breaking_strain, breaking_stress


@pytest.mark.parametrize(("classes", "line"), [(10, 0.1), (2, 0.5), (1, 1.0)])
def test_line_is_guessing(classes: int, line: float) -> None:
    assert breaking_line(classes) == line


@pytest.mark.parametrize(
    ("curve", "stress"),
    [
        ([(0, 0.9), (1, 0.5), (2, 0.1)], 2.0),
        ([(0, 0.9), (1, 0.5), (3, 0.0)], 1 + 2 * 0.4 / 0.5),
        ([(2, 0.1), (0, 0.9), (1, 0.5)], 2.0),
        ([(0, 0.9), (4, 0.11)], None),
        ([(0, 0.05), (1, 0.9)], 0.0),
        ([(0, 0.9), (1, 0.0), (2, 0.9), (3, 0.0)], 0.8 / 0.9),
        ([(0, 0.9), (1, None), (2, math.nan), (4, 0.1)], 4.0),
        ([], None),
    ],
)
def test_smallest_stress_under_the_line(curve: list[tuple[float, float | None]], stress: float | None) -> None:
    assert breaking_stress(curve, 0.1) == (None if stress is None else pytest.approx(stress))


def test_strain_at_the_line() -> None:
    assert breaking_strain(0.8, 0.1) == pytest.approx(0.875)
    assert breaking_strain(0.05, 0.1) == 0.0
    assert breaking_strain(0.0, 0.1) is None
    assert breaking_strain(None, 0.1) is None
