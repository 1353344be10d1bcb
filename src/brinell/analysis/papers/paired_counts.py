"""Two rows' variants on the same examples, where that is what a claim is about."""

from __future__ import annotations

from typing import Any

import polars as pl

from brinell.analysis.collect import CLEAN
from brinell.analysis.papers.published import Attacked, Clean, Reads
from brinell.analysis.papers.reproduction import Reproduction


def discordant(ours: Reproduction, row: str, other: str, reads: Reads) -> tuple[int, int] | None:
    """How many examples count only for `row` in what is read, and how many only for `other`.

    `None` where there are no such examples: of what is no share of examples, of means over seeds or radii, of shares of
    different examples, and where one of the two is missing.
    """
    if row not in ours.labels or other not in ours.labels:
        return None
    one, two = (ours.labels[name] for name in (row, other))
    points = _points(ours, one, reads)
    if len(points) != 1 or points != _points(ours, two, reads):
        return None
    known = ("attack", "epsilon", "steps", "examples")
    frame = ours.evaluation.pairwise_counts.filter(
        *(pl.col(name).eq_missing(value) for name, value in zip(known, points[0], strict=True)),
        pl.col("one").is_in([one, two]) & pl.col("other").is_in([one, two]),
    )
    if len(frame) != 1:
        return None
    first, only_first, only_second = frame.select("one", "only_one", "only_other").row(0)
    reverse = (first == two) != (isinstance(reads, Clean) and reads.error)
    return (only_second, only_first) if reverse else (only_first, only_second)


def _points(ours: Reproduction, label: str, reads: Reads) -> list[tuple[Any, ...]]:
    """Attack, epsilon, steps and examples of the readings that a variant's value is the mean of, if of one seed."""
    match reads:
        case Clean(top=1):
            variants = ours.evaluation.variants.filter(pl.col("variant") == label)
            return [(CLEAN, 0.0, 0, examples) for examples in variants["examples"]]
        case Attacked(top=1, of="label") if not reads.attack.traced:
            frame = ours.last(label, reads.attack)
            return frame.filter(pl.col("seeds") == 1).select("attack", "epsilon", "steps", "examples").rows()
    return []
