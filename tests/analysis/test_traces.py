"""Sums over blocks become means over runs."""

from __future__ import annotations

import math

import polars as pl
import pytest

from brinell.analysis.robustness.traces import TRACE_SCHEMA, traces


def sums(*records: tuple[int, int, int, float | None, int, int, float]) -> pl.DataFrame:
    """(seed, restart, step, epsilon, count, correct, loss sum)."""
    names = ("seed", "restart", "step", "epsilon", "count", "correct", "loss_sum")
    kinds = (pl.Int64, pl.Int32, pl.Int32, pl.Float64, pl.Int64, pl.Int64, pl.Float64)
    frame = pl.DataFrame(records, schema=dict(zip(names, kinds, strict=True)), orient="row")
    return frame.with_columns(zero_gradients=pl.lit(1, dtype=pl.Int64))


def test_blocks_add_up_and_seeds_are_averaged() -> None:
    found = traces(sums((0, 0, 0, 0.1, 10, 10, 5.0), (0, 0, 0, 0.1, 30, 10, 15.0), (1, 0, 0, 0.1, 40, 40, 40.0)))
    (row,) = found.to_dicts()
    assert list(row) == list(TRACE_SCHEMA)[3:]
    assert (row["runs"], row["examples"]) == (2, 40)
    assert row["accuracy"] == pytest.approx((0.5 + 1.0) / 2)
    assert row["loss"] == pytest.approx((0.5 + 1.0) / 2)
    assert row["accuracy_spread"] == pytest.approx(math.sqrt(2) * 0.25)
    assert row["zero_gradient_share"] == pytest.approx((2 / 40 + 1 / 40) / 2)


def test_steps_ascend_and_one_run_has_no_spread() -> None:
    found = traces(sums((0, 0, 5, 0.1, 4, 2, 1.0), (0, 0, 0, 0.1, 4, 4, 1.0)))
    assert found["step"].to_list() == [0, 5]
    assert found["loss_spread"].null_count() == 2


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_is_unknown(loss: float) -> None:
    (row,) = traces(sums((0, 0, 0, 0.1, 4, 2, loss))).to_dicts()
    assert (row["loss"], row["accuracy"]) == (None, 0.5)
