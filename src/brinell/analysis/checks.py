"""What rows and traces of a block can be: another hand, or a faulty disk, may have changed what a worker wrote."""

from __future__ import annotations

from typing import Final

import polars as pl

from brinell.core import Block, PlannedTrial, StoreError, block_name

_FROM_ZERO: Final = ("label", "clean_prediction", "clean_rank", "prediction", "rank")
"""Columns of classes, and of ranks among them."""
_FINITE: Final = ("margin", "l2", "linf")


def check_rows(frame: pl.DataFrame, trial: PlannedTrial, block: Block, classes: int) -> None:
    """Rows are the block's examples at the trial's points, each once, and hold what rows can hold.

    Raises:
        StoreError: they are not, and what is wrong.
    """
    keys, points = frame.select("example_id", "epsilon", "steps"), set(trial.points)
    if strange := set(keys.select("epsilon", "steps").unique().iter_rows()) - points:
        epsilon, steps = min(strange, key=str)
        raise StoreError(f"it holds readings that were not planned, at epsilon {epsilon} and {steps} steps")
    if (double := len(keys) - keys.n_unique()) > 0:
        raise StoreError(f"it holds {double} readings twice")
    if len(keys) != (planned := len(points) * (block.stop - block.start)):
        raise StoreError(f"it holds {len(keys)} of {planned} readings")
    if not _are_planned(frame["example_id"], block):
        raise StoreError("its examples are not those that were planned")
    if odd := [name for name in _FINITE if not frame[name].is_finite().all()]:
        raise StoreError(f"it holds numbers that are not finite, in {', '.join(odd)}")
    known = frame.select(_FROM_ZERO).unpivot()["value"].unique().to_list()
    if known and (min(known) < 0 or max(known) >= classes):
        told = f"{min(known)} to {max(known)}"
        raise StoreError(f"it holds classes and ranks from {told}, where the study has {classes}")


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
    named = len(rest) == 2 and index.isdecimal()
    return not named or block_name(int(index), ids.unique(maintain_order=True).to_numpy()) == block.name
