"""Which strength is the stress."""

from __future__ import annotations

import polars as pl
import pytest

from brinell.analysis import Stress
from brinell.analysis.material.stress import stress
from brinell.core import Point


@pytest.mark.parametrize(
    ("points", "axis"),
    [
        ([Point(0.1, 1), Point(0.2, 1)], Stress("epsilon", 1)),
        ([Point(0.1, 5), Point(0.2, 5), Point(0.1, 20), Point(0.2, 20)], Stress("epsilon", 20)),
        ([Point(0.1, 5), Point(0.1, 20)], Stress("steps", 0.1)),
        ([Point(None, 5), Point(None, 20)], Stress("steps", None)),
        ([Point(None, 5)], Stress("steps", None, swept=False)),
        ([Point(0.1, 1)], Stress("epsilon", 1, swept=False)),
    ],
)
def test_axis(points: list[Point], axis: Stress) -> None:
    assert stress(points) == axis


def test_select_keeps_the_held_value_and_sorts() -> None:
    frame = pl.DataFrame({"epsilon": [0.2, 0.1, 0.1], "steps": [20, 20, 5]})
    assert Stress("epsilon", 20).select(frame)["stress"].to_list() == [0.1, 0.2]
    minimum_norm = pl.DataFrame({"epsilon": [None, None, 0.1], "steps": [20, 10, 5]})
    assert Stress("steps", None).select(minimum_norm)["stress"].to_list() == [10.0, 20.0]
