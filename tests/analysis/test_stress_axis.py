"""Which strength is the stress."""

from __future__ import annotations

import polars as pl
import pytest

from brinell.analysis import StressAxis
from brinell.analysis.material.stress_axis import choose_stress_axis
from brinell.core import Point


@pytest.mark.parametrize(
    ("points", "axis"),
    [
        ([Point(0.1, 1), Point(0.2, 1)], StressAxis("epsilon", 1)),
        ([Point(0.1, 5), Point(0.2, 5), Point(0.1, 20), Point(0.2, 20)], StressAxis("epsilon", 20)),
        ([Point(0.1, 5), Point(0.1, 20)], StressAxis("steps", 0.1)),
        ([Point(None, 5), Point(None, 20)], StressAxis("steps", None)),
        ([Point(None, 5)], StressAxis("steps", None, swept=False)),
        ([Point(0.1, 1)], StressAxis("epsilon", 1, swept=False)),
    ],
)
def test_axis(points: list[Point], axis: StressAxis) -> None:
    assert choose_stress_axis(points) == axis


def test_select_keeps_the_held_value_and_sorts() -> None:
    frame = pl.DataFrame({"epsilon": [0.2, 0.1, 0.1], "steps": [20, 20, 5]})
    assert StressAxis("epsilon", 20).select(frame)["stress"].to_list() == [0.1, 0.2]
    minimum_norm = pl.DataFrame({"epsilon": [None, None, 0.1], "steps": [20, 10, 5]})
    assert StressAxis("steps", None).select(minimum_norm)["stress"].to_list() == [10.0, 20.0]
