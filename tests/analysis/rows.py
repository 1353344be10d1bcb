"""Rows by hand: what a test does not say is what nothing happened would say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from brinell.core import ROW_SCHEMA
from brinell.store import frame_of_schema


def rows(
    ranks: Sequence[int], clean: Sequence[int] | None = None, epsilon: float | None = 0.1, **columns: Any
) -> pl.DataFrame:
    """One row an example: its rank under attack and, 0 by default, its clean one."""
    count = len(ranks)
    given = {
        "example_id": range(count),
        "label": [0] * count,
        "epsilon": [epsilon] * count,
        "steps": [1] * count,
        "clean_prediction": [0] * count,
        "clean_rank": [0] * count if clean is None else clean,
        "prediction": [1 if rank else 0 for rank in ranks],
        "rank": ranks,
        "margin": [0.0] * count,
        "l0": [1] * count,
        "l2": [0.5] * count,
        "linf": [epsilon or 0.0] * count,
        "restart": [0] * count,
        "forwards": [2] * count,
        "backwards": [1] * count,
        "status": ["attacked"] * count,
        **{name: value if isinstance(value, (list, tuple)) else [value] * count for name, value in columns.items()},
    }
    return frame_of_schema(given, ROW_SCHEMA)
