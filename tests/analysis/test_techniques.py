"""What counts as one technique, and the five numbers of its box."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from brinell.analysis import UNCOMPRESSED, load
from brinell.analysis.techniques import BOX_SCHEMA, techniques
from brinell.core import StudyPlan
from reporting.fake_run import BASELINE, FAKES, fake_plan, write_fake_run


def plan_of(*settings: dict[str, object]) -> StudyPlan:
    plan = fake_plan((BASELINE, *(replace(FAKES[2], name=f"v{place}") for place in range(len(settings)))))
    variants = [plan.variants[0]]
    for variant, own in zip(plan.variants[1:], settings, strict=True):
        variants.append(variant.model_copy(update={"settings": own}))
    return plan.model_copy(update={"variants": tuple(variants)})


def names(plan: StudyPlan) -> list[str]:
    return list(techniques(plan).values())


def test_settings_that_differ_tell_uses_apart() -> None:
    plan = plan_of(
        {"kind": "prune", "granularity": "channel", "rates": {"kind": "amc", "episodes": 80}, "train": {"epochs": 1}},
        {"kind": "prune", "granularity": "weight", "rates": {"kind": "uniform"}, "train": {"epochs": 9}},
    )
    assert names(plan) == [UNCOMPRESSED, "prune channel amc", "prune weight uniform"]


def test_one_use_on_several_networks_is_one_technique() -> None:
    same: dict[str, object] = {"kind": "prune", "granularity": "channel", "budget": {"macs": 0.5}}
    assert names(plan_of(same, same)) == [UNCOMPRESSED, "prune", "prune"]
    assert names(plan_of(same, {**same, "budget": {"macs": 0.25}}))[1:] == ["prune macs 0.5", "prune macs 0.25"]


def test_numbers_are_named() -> None:
    assert names(plan_of({"kind": "prune", "bases": 1}, {"kind": "prune", "bases": 5}))[1:] == [
        "prune bases 1",
        "prune bases 5",
    ]


def test_numbers_that_are_nearly_alike_are_told_apart() -> None:
    near = plan_of({"kind": "prune", "rate": 0.9996}, {"kind": "prune", "rate": 0.9999})
    assert names(near)[1:] == ["prune rate 0.9996", "prune rate 0.9999"]
    nearer = ({"kind": "prune", "rate": 0.3 + step * 1e-9, "epochs": step} for step in (1, 2))
    assert names(plan_of(*nearer))[1:] == ["prune epochs 1", "prune epochs 2"]


def test_of_a_switch_only_its_name_is_said() -> None:
    on, off = ({"kind": "prune", "adversarial": value} for value in ({"kind": "adversarial"}, None))
    assert names(plan_of(on, off))[1:] == ["prune adversarial", "prune no adversarial"]
    assert names(plan_of({"kind": "prune", "zeros": True}, {"kind": "prune", "zeros": False}))[1:] == [
        "prune zeros",
        "prune no zeros",
    ]


def test_a_number_that_tells_nothing_more_is_left_out() -> None:
    one, three = ({"kind": "prune", "bases": count, "scales": count} for count in (1, 3))
    assert names(plan_of(one, three))[1:] == ["prune bases 1", "prune bases 3"]
    mixed = {**one, "scales": 3}
    assert names(plan_of(one, three, mixed))[1:] == [
        "prune bases 1 scales 1",
        "prune bases 3 scales 3",
        "prune bases 1 scales 3",
    ]


def test_a_box_is_the_distribution_over_strengths_and_networks(tmp_path: Path) -> None:
    twins = (BASELINE, replace(FAKES[2], name="one"), replace(FAKES[2], name="two", radius=3.0))
    found = load(write_fake_run(tmp_path, twins, examples=100))
    assert found.boxes.columns == list(BOX_SCHEMA)
    row = found.boxes.filter((pl.col("technique") == "prune") & (pl.col("attack") == "fgsm")).to_dicts()[0]
    values = found.seed_means.filter(pl.col("variant").is_in(["one", "two"]) & (pl.col("attack") == "fgsm"))[
        "robust_accuracy"
    ].to_numpy()
    five = [row[name] for name in ("low", "first_quartile", "median", "third_quartile", "high")]
    assert five == pytest.approx(np.quantile(values, [0, 0.25, 0.5, 0.75, 1]).tolist())
    assert (row["readings"], row["variants"]) == (10, 2)
