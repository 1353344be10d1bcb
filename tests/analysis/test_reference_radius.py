"""The radius for comparisons in one number, by hand."""

from __future__ import annotations

import polars as pl
import pytest

from brinell.analysis import ReferenceRadius
from brinell.analysis.reference_radius import reference_radius

VARIANTS = pl.DataFrame({"variant": ["base", "small"], "baseline": ["base", "base"], "clean_accuracy": [0.9, 0.8]})


def worst(*records: tuple[str, str, float, float]) -> pl.DataFrame:
    """(variant, norm, epsilon, robust accuracy)."""
    names = ("variant", "norm", "epsilon", "robust_accuracy")
    frame = pl.DataFrame(records, schema=names, orient="row")
    return frame.with_columns(examples=pl.lit(100), attacks=pl.lit(["pgd"], dtype=pl.List(pl.String)))


def read(*records: tuple[str, float, int]) -> pl.DataFrame:
    """(norm, epsilon, steps)."""
    return pl.DataFrame(records, schema=("norm", "epsilon", "steps"), orient="row")


def found(table: pl.DataFrame, readings: pl.DataFrame) -> ReferenceRadius:
    chosen = reference_radius(table, readings, VARIANTS, 0.1)
    assert chosen is not None
    return chosen


HALFWAY = worst(("base", "linf", 1.0, 0.8), ("base", "linf", 2.0, 0.45), ("base", "linf", 4.0, 0.1))
MANY_STEPS = read(("linf", 1.0, 10), ("linf", 2.0, 10), ("linf", 4.0, 10))


def test_the_baseline_is_half_broken_there() -> None:
    assert found(HALFWAY, MANY_STEPS) == ReferenceRadius("linf", 2.0, ("pgd",))


def test_a_single_step_alone_does_not_decide() -> None:
    assert found(HALFWAY, read(("linf", 1.0, 10), ("linf", 2.0, 1), ("linf", 4.0, 1))).epsilon == 1.0
    assert found(HALFWAY, read(("linf", 2.0, 1))).epsilon == 2.0  # unless there is nothing else


def test_other_variants_decide_only_without_a_baseline() -> None:
    small = worst(("small", "linf", 1.0, 0.45), ("small", "linf", 2.0, 0.1))
    assert found(pl.concat([HALFWAY, small]), MANY_STEPS).epsilon == 2.0
    assert found(small, MANY_STEPS).epsilon == 1.0


def test_of_equals_the_smaller_and_linf_first() -> None:
    tie = worst(("base", "linf", 1.0, 0.6), ("base", "linf", 2.0, 0.4), ("base", "l2", 0.5, 0.5))
    assert found(tie, MANY_STEPS) == ReferenceRadius("linf", 1.0, ("pgd",))
    assert found(tie.filter(pl.col("norm") == "l2"), MANY_STEPS).norm == "l2"


@pytest.mark.parametrize("table", [HALFWAY.clear(), worst(("base", "linf", 0.0, 0.9))])
def test_nothing_to_refer_to(table: pl.DataFrame) -> None:
    assert reference_radius(table, MANY_STEPS, VARIANTS, 0.1) is None
