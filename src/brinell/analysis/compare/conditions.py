"""Conditions on what changed, such as `robust_accuracy under pgd < -0.02`.

The number is a change, second run less first; with `%` it is one in percent of the first run's value. The grammar is
that of `core.conditions`.
"""

from __future__ import annotations

import math
from typing import Any

import polars as pl

from brinell.analysis.compare.changes import METRICS
from brinell.core.conditions import Condition, parse_condition


def parse(text: str) -> Condition:
    """Read a change that must not happen.

    Raises:
        ConfigurationError: it does not follow the grammar; the message says where, and what would.
    """
    return parse_condition(text, METRICS, "--fail-if")


def select(condition: Condition, frame: pl.DataFrame) -> pl.DataFrame:
    """The rows of `CHANGE_SCHEMA` that a condition is on."""
    chosen = frame.filter(pl.col("metric") == condition.metric)
    for column, pattern, accepts in (
        ("attack", condition.attack, condition.selects_attack),
        ("variant", condition.variant, condition.selects_variant),
    ):
        if pattern is not None:
            names = [name for name in chosen[column].unique() if name is not None and accepts(name)]
            chosen = chosen.filter(pl.col(column).is_in(names))
    if condition.runtime is not None:
        chosen = chosen.filter(pl.col("runtime") == condition.runtime)
    if condition.radius is not None:
        points = chosen.select("norm", "epsilon").iter_rows()
        chosen = chosen.filter(pl.Series([condition.selects_radius(*point) for point in points], dtype=pl.Boolean))
    return chosen


def crossed(condition: Condition, row: dict[str, Any]) -> bool:
    """Whether a row crosses the condition.

    A row that was not measured whole does, and one that the second run lacks: nobody can say that it did not change.
    What only the second run has is new, and does not. With a level a tested change must be significant as well.
    """
    if row["lacking"] is not None:
        return True
    if row["before"] is None or row["after"] is None:
        return row["before"] is not None
    change = row["change"]
    if condition.percent:
        grown = math.inf if change > 0 else -math.inf
        change = 0.0 if row["change"] == 0 else 100 * change / abs(row["before"]) if row["before"] else grown
    if condition.level is not None and row.get("p_value") is not None and row["p_value"] >= condition.level:
        return False
    return condition.holds(change)
