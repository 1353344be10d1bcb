"""Breaking and character from readings; the first step under the line from traces."""

from __future__ import annotations

import polars as pl
import pytest

from brinell.analysis.material.strength import BREAKING_SCHEMA, STEP_SCHEMA, breaking_points, breaking_steps
from brinell.analysis.material.stress_axis import StressAxis
from brinell.analysis.robustness.readings import READING_SCHEMA
from brinell.analysis.robustness.seed_means import seed_means
from brinell.analysis.robustness.traces import TRACE_SCHEMA


def readings(accuracies: dict[float, float], clean: float = 1.0, source: str = "net") -> pl.DataFrame:
    rows = [
        {
            "variant": "net",
            "attack": "fgsm",
            "kind": "fgsm",
            "crafted_on": source,
            "norm": "linf",
            "seed": 0,
            "epsilon": epsilon,
            "steps": 1,
            "examples": 100,
            "clean_accuracy": clean,
            "robust_accuracy": accuracy,
            "strain": (clean - accuracy) / clean,
        }
        for epsilon, accuracy in accuracies.items()
    ]
    return pl.DataFrame(rows, schema=READING_SCHEMA)


def test_a_brittle_network() -> None:
    found = breaking_points(
        seed_means(readings({2.0: 0.4, 4.0: 0.1, 16.0: 0.0})), {"fgsm": StressAxis("epsilon", 1.0)}, 0.1
    )
    assert found.columns == list(BREAKING_SCHEMA)
    (row,) = found.to_dicts()
    assert row["breaking_stress"] == pytest.approx(4.0)
    assert row["breaking_strain"] == pytest.approx(0.9)
    assert row["toughness"] == pytest.approx((2 * 0.7 + 2 * 0.25 + 12 * 0.05) / 16)
    assert row["ductility"] == pytest.approx((2 + 2 * (0.81 - 0.6) / 0.3 - 2 * 0.09 / 0.6) / 16)
    assert row["character"] == "brittle"


def test_not_reached_is_null_and_transfers_are_not_asked() -> None:
    axis = {"fgsm": StressAxis("epsilon", 1.0)}
    (row,) = breaking_points(seed_means(readings({2.0: 0.9, 16.0: 0.8})), axis, 0.1).to_dicts()
    assert (row["breaking_stress"], row["strongest"], row["character"]) == (None, 16.0, "strong")
    assert breaking_points(seed_means(readings({2.0: 0.1}, source="other")), axis, 0.1).is_empty()


def trace(accuracies: list[float]) -> pl.DataFrame:
    rows = [
        {
            "variant": "net",
            "attack": "pgd",
            "norm": "linf",
            "epsilon": 0.1,
            "step": 5 * place,
            "runs": 5,
            "examples": 100,
            "accuracy": accuracy,
            "loss": float(place),
        }
        for place, accuracy in enumerate(accuracies)
    ]
    return pl.DataFrame(rows, schema=TRACE_SCHEMA)


@pytest.mark.parametrize(
    ("accuracies", "step"), [([0.9, 0.3, 0.1, 0.05], 10), ([0.9, 0.14], None), ([0.1], 0), ([0.9, 0.05, 0.2], 5)]
)
def test_the_first_step_under_the_line(accuracies: list[float], step: int | None) -> None:
    found = breaking_steps(trace(accuracies), seed_means(readings({})), 0.1)
    assert found.columns == list(STEP_SCHEMA)
    (row,) = found.to_dicts()
    assert row["breaking_step"] == step
    assert (row["last_step"], row["accuracy"], row["loss"]) == (
        5 * (len(accuracies) - 1),
        accuracies[-1],
        float(len(accuracies) - 1),
    )


def test_beside_the_last_iterate_stands_what_no_iterate_has_fooled() -> None:
    """An attack that goes to and fro has fooled more by the way than where it ends."""
    traced = trace([0.9, 0.2, 0.4])
    read = readings({0.1: 0.15, 0.2: 0.05}).with_columns(attack=pl.lit("pgd"), steps=pl.lit(10, pl.Int32))
    (row,) = breaking_steps(traced, seed_means(read), 0.1).to_dicts()
    assert (row["accuracy"], row["robust_accuracy"]) == (0.4, 0.15)
    other_steps = read.with_columns(steps=pl.lit(5, pl.Int32))
    elsewhere = read.with_columns(crafted_on=pl.lit("other"))
    for frame in (other_steps, elsewhere):
        (row,) = breaking_steps(traced, seed_means(frame), 0.1).to_dicts()
        assert row["robust_accuracy"] is None
