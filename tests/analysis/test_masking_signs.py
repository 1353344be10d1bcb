"""Signs of masked gradients: each fires on its own pattern, and on nothing else."""

from __future__ import annotations

import polars as pl
import pytest

from brinell.analysis import wilson
from brinell.analysis.robustness.masking_signs import masking_signs
from brinell.analysis.robustness.seed_means import RERUN_SCHEMA


def readings(*records: tuple[str, float, int, float], zero: float = 0.0, examples: int = 1000) -> pl.DataFrame:
    """(attack, epsilon, steps, robust accuracy) of one variant."""
    rows = []
    for attack, epsilon, steps, accuracy in records:
        low, high = wilson(accuracy, examples) or (0.0, 0.0)
        known = {
            "variant": "v",
            "crafted_on": "v",
            "attack": attack,
            "norm": "linf",
            "epsilon": epsilon,
            "steps": steps,
            "robust_accuracy": accuracy,
            "robust_accuracy_low": low,
            "robust_accuracy_high": high,
            "zero_gradient_share": zero,
        }
        rows.append(known)
    return pl.DataFrame(rows, schema=RERUN_SCHEMA)


HONEST = [("fgsm", 0.1, 1, 0.6), ("fgsm", 0.2, 1, 0.3), ("pgd", 0.1, 10, 0.5), ("pgd", 0.2, 10, 0.1)]


def test_an_honest_network_shows_none() -> None:
    assert masking_signs(readings(*HONEST), 0.1).is_empty()
    assert masking_signs(pl.DataFrame(schema=RERUN_SCHEMA), 0.1).is_empty()


@pytest.mark.parametrize(("share", "count"), [(0.049, 0), (0.05, 1), (None, 0)])
def test_zero_gradients(share: float, count: int) -> None:
    assert masking_signs(readings(*HONEST, zero=share), 0.1).height == count


def test_accuracy_that_rises_with_epsilon() -> None:
    (found,) = masking_signs(
        readings(("pgd", 0.1, 10, 0.3), ("pgd", 0.2, 10, 0.5), ("pgd", 0.4, 10, 0.4)), 0.1
    ).to_dicts()
    assert (found["sign"], found["epsilon"], found["value"]) == ("rises with epsilon", 0.2, 0.5)
    assert (found["other_attack"], found["other_epsilon"], found["other_value"]) == ("pgd", 0.1, 0.3)


def test_one_step_that_beats_many() -> None:
    (found,) = masking_signs(readings(("fgsm", 0.1, 1, 0.2), ("pgd", 0.1, 10, 0.5)), 0.1).to_dicts()
    assert (found["sign"], found["attack"], found["value"]) == ("one step beats many", "pgd", 0.5)
    assert (found["other_attack"], found["other_steps"], found["other_value"]) == ("fgsm", 1, 0.2)


def test_a_search_without_gradients_says_nothing_of_them() -> None:
    rows = readings(("fgsm", 0.1, 1, 0.2), ("search", 0.05, 50, 0.3), ("search", 0.1, 50, 0.5))
    blind = rows.with_columns(backwards=pl.when(pl.col("attack") == "search").then(0.0).otherwise(1.0))
    assert masking_signs(blind, 0.1).is_empty()
    seeing = rows.with_columns(backwards=pl.lit(1.0))
    assert masking_signs(seeing, 0.1)["sign"].to_list() == ["rises with epsilon", "one step beats many"]


def test_a_difference_inside_the_intervals_is_none() -> None:
    assert masking_signs(readings(("fgsm", 0.1, 1, 0.5), ("pgd", 0.1, 10, 0.53)), 0.1).is_empty()


def test_transfer_says_nothing_about_the_variants_own_gradient() -> None:
    frame = readings(("fgsm", 0.1, 1, 0.2), ("pgd", 0.1, 10, 0.5))
    assert masking_signs(frame.with_columns(crafted_on=pl.lit("other")), 0.1).is_empty()


def test_a_step_that_overshoots_to_guessing_is_none() -> None:
    assert masking_signs(readings(("fgsm", 0.1, 1, 0.05), ("fgsm", 0.2, 1, 0.11)), 0.1).is_empty()
    assert masking_signs(readings(("fgsm", 0.1, 1, 0.05), ("fgsm", 0.2, 1, 0.15)), 0.1).height == 1
