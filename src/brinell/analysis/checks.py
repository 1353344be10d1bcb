"""What rows and traces of a block can be: another hand, or a faulty disk, may have changed what a worker wrote."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, cast

import polars as pl

from brinell.core import Block, PlannedTrial, StoreError, block_name

_FROM_ZERO: Final = ("label", "clean_prediction", "clean_rank", "prediction", "rank")
"""Columns of classes, and of ranks among them."""
_FINITE: Final = ("margin", "l2", "linf")


def check_rows(frame: pl.DataFrame, trial: PlannedTrial, blocks: Sequence[Block], classes: int) -> None:
    """Rows are the examples of the blocks, one block after the other, at the trial's points, each once.

    Raises:
        StoreError: they are not, or hold what rows cannot hold, and what is wrong.
    """
    keys, points = frame.select("example_id", "epsilon", "steps"), set(trial.points)
    if strange := set(keys.select("epsilon", "steps").unique().iter_rows()) - points:
        epsilon, steps = min(strange, key=str)
        raise StoreError(f"it holds readings that were not planned, at epsilon {epsilon} and {steps} steps")
    if (double := len(keys) - keys.n_unique()) > 0:
        raise StoreError(f"it holds {double} readings twice")
    if len(keys) != (planned := sum(planned_rows(trial, block) for block in blocks)):
        raise StoreError(f"it holds {len(keys)} of {planned} readings")
    start = 0
    for block in blocks:
        ids = frame["example_id"].slice(start, planned_rows(trial, block))
        start += len(ids)
        if not _are_planned(ids, block):
            raise StoreError("its examples are not those that were planned")
    if odd := [name for name in _FINITE if not frame[name].is_finite().all()]:
        raise StoreError(f"it holds numbers that are not finite, in {', '.join(odd)}")
    if not frame.is_empty():
        least = min(cast(int, frame[name].min()) for name in _FROM_ZERO)
        most = max(cast(int, frame[name].max()) for name in _FROM_ZERO)
        if least < 0 or most >= classes:
            raise StoreError(f"it holds classes and ranks from {least} to {most}, where the study has {classes}")


def planned_rows(trial: PlannedTrial, block: Block) -> int:
    """How many rows a block has: each of its examples at each of the trial's points."""
    return len(set(trial.points)) * (block.stop - block.start)


def check_traces(frame: pl.DataFrame, trial: PlannedTrial) -> None:
    """Traces are of radii that were planned, with counts that can be. A loss may be anything.

    Raises:
        StoreError: they are not, and what is wrong.
    """
    if not set(frame["epsilon"]) <= {point.epsilon for point in trial.points}:
        raise StoreError("it holds radii that were not planned")
    if not frame.select((pl.col("correct") >= 0) & (pl.col("correct") <= pl.col("count"))).to_series().all():
        raise StoreError("it counts more right answers than examples, or fewer than none")


def _are_planned(ids: pl.Series, block: Block) -> bool:
    """Whether the examples are those that the block is named after, in their order."""
    index, *rest = block.name.split("-")
    if len(rest) != 2 or not index.isdecimal():
        return True
    count, values = block.stop - block.start, ids.to_numpy()
    if 0 < count <= len(values) and len(values) % count == 0:
        together = values.reshape(-1, count)  # as a worker writes them: all examples at a point, then at the next
        if (together == together[0]).all() and block_name(int(index), together[0]) == block.name:
            return True
    return block_name(int(index), ids.unique(maintain_order=True).to_numpy()) == block.name
