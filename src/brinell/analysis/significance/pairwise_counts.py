"""Every two variants under the same attack, on the examples that both met: how many only one of them gets right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

BETWEEN_SCHEMA = {
    "one": pl.String,
    "other": pl.String,
    "attack": pl.String,
    "epsilon": pl.Float64,
    "steps": pl.Int32,
    "seed": pl.Int64,
    "examples": pl.Int64,
    "only_one": pl.Int64,
    "only_other": pl.Int64,
}
"""A row for two variants at one strength of an attack that both met; each two stand in it once, in either order."""

_Point = tuple[Any, ...]


@dataclass(frozen=True)
class Outcomes:
    """Which examples a variant gets right under an attack, at each strength that it was read at."""

    variant: str
    attack: str
    seed: int
    points: Mapping[_Point, tuple[NDArray[np.int64], NDArray[np.bool_]]]
    """By epsilon and steps: ids of examples, ascending, and whether each is right."""

    @classmethod
    def of(cls, frame: pl.DataFrame, *, variant: str, attack: str, seed: int) -> Outcomes:
        """From rows of `example_id`, `epsilon`, `steps` and `correct`."""
        parts = frame.sort("example_id").partition_by(["epsilon", "steps"], as_dict=True, maintain_order=True)
        points = {point: (part["example_id"].to_numpy(), part["correct"].to_numpy()) for point, part in parts.items()}
        return cls(variant, attack, seed, points)


def pairwise_counts(found: Sequence[Outcomes]) -> pl.DataFrame:
    """All of them against each other, `BETWEEN_SCHEMA`."""
    alike: dict[tuple[str, int], list[Outcomes]] = {}
    for outcomes in found:
        alike.setdefault((outcomes.attack, outcomes.seed), []).append(outcomes)
    rows = [row for group in alike.values() for one, other in combinations(group, 2) for row in _rows(one, other)]
    return pl.DataFrame(rows, schema=BETWEEN_SCHEMA, orient="row")


def _rows(one: Outcomes, other: Outcomes) -> Iterator[tuple[Any, ...]]:
    for point in one.points.keys() & other.points.keys():
        (ids, right), (other_ids, other_right) = one.points[point], other.points[point]
        if not np.array_equal(ids, other_ids):
            _, own, others = np.intersect1d(ids, other_ids, return_indices=True)
            right, other_right = right[own], other_right[others]
        counts = (len(right), int((right & ~other_right).sum()), int((~right & other_right).sum()))
        yield (one.variant, other.variant, one.attack, *point, one.seed, *counts)
