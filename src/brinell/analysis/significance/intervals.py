"""Wilson intervals: how far a proportion may lie from its observed share."""

from __future__ import annotations

import math

import polars as pl

Z = 1.959963984540054
"""The normal distribution's 97.5 % point: intervals are of 95 %."""


def wilson(proportion: float, count: int) -> tuple[float, float] | None:
    """The 95 % score interval of a share of `count` examples (Wilson 1927); `None` for no examples.

    Args:
        proportion: From 0 to 1.
        count: Of examples.

    Returns:
        Both ends, from 0 to 1.

    Examples:
        >>> low, high = wilson(0.5, 100)
        >>> round(low, 3), round(high, 3)
        (0.404, 0.596)
    """
    if count <= 0:
        return None
    centre = proportion + Z**2 / (2 * count)
    width = Z * math.sqrt(proportion * (1 - proportion) / count + Z**2 / (4 * count**2))
    scale = 1 + Z**2 / count
    # Exactly 0 of none and 1 of all, where rounding would leave 4e-19.
    low = (centre - width) / scale if proportion > 0 else 0.0
    high = (centre + width) / scale if proportion < 1 else 1.0
    return max(0.0, low), min(1.0, high)


def with_interval(frame: pl.DataFrame, name: str, count: str = "examples") -> pl.DataFrame:
    """`frame` with `<name>_low` and `<name>_high` after the proportion `name`; null where that or the count is."""
    pairs = [
        wilson(share, examples) if share is not None and examples is not None else None
        for share, examples in frame.select(name, count).iter_rows()
    ]
    bounds = [
        pl.Series(f"{name}_{side}", [None if pair is None else pair[index] for pair in pairs], dtype=pl.Float64)
        for index, side in enumerate(("low", "high"))
    ]
    place = frame.columns.index(name) + 1
    for bound in reversed(bounds):
        frame = frame.insert_column(place, bound)
    return frame
