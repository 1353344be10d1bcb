"""The matrix of transfers: whose readings stand on its diagonal, and that it is no attack of its own beside."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from brinell.analysis import load
from brinell.analysis.robustness.transfer import TRANSFER_SCHEMA
from brinell.store import RunStore
from reporting.fake_run import FAKES
from reporting.rich_run import write_rich_run


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    return write_rich_run(tmp_path_factory.mktemp("run"), FAKES[:3], examples=100)


def test_without_a_diagonal_it_is_that_of_the_same_attack(store: RunStore) -> None:
    found = load(store)
    assert found.transfers.columns == list(TRANSFER_SCHEMA)
    assert len(found.transfers) == 2 * 3 * 3
    diagonal = found.transfers.filter(pl.col("source") == pl.col("target"))
    fgsm = found.seed_means.filter((pl.col("attack") == "fgsm") & pl.col("epsilon").is_in([2 / 255, 4 / 255]))
    assert sorted(diagonal["accuracy"]) == sorted(fgsm["robust_accuracy"])
    assert set(diagonal["attack"]) == {"transfer"}


def test_vulnerability_is_of_the_targets_own_accuracy(store: RunStore) -> None:
    found = load(store)
    row = found.transfers.filter(
        (pl.col("source") == "pruned") & (pl.col("target") == "distilled") & (pl.col("epsilon") == 4 / 255)
    ).row(0, named=True)
    clean = found.variants.filter(pl.col("variant") == "distilled")["clean_accuracy"][0]
    assert row["vulnerability"] == pytest.approx((clean - row["accuracy"]) / clean)


def test_a_diagonal_that_is_planned_is_used_and_is_no_attack_of_its_own(store: RunStore) -> None:
    plan = store.plan()
    own = [trial for trial in plan.trials if trial.attack == "fgsm"]
    planned = [trial.model_copy(update={"attack": "transfer"}) for trial in own]
    store = RunStore(store.root)
    store.write_study("", plan.model_copy(update={"trials": (*plan.trials, *planned)}), {})
    found = load(store)
    white = found.seed_means.filter((pl.col("attack") == "transfer") & (pl.col("variant") == pl.col("crafted_on")))
    diagonal = found.transfers.filter(pl.col("source") == pl.col("target"))
    assert diagonal["accuracy"].to_list() == white["robust_accuracy"].to_list()
    assert "transfer" not in found.stresses
    assert "transfer" not in found.boxes["attack"]
    assert "transfer" not in found.breaking["attack"]
    store.write_study("", plan, {})


def test_the_worst_case_counts_what_was_crafted_elsewhere(tmp_path: Path) -> None:
    store = write_rich_run(tmp_path, FAKES[:2], examples=100)
    plan = store.plan()
    with_transfers = load(store).worst
    white_box = tuple(trial for trial in plan.trials if trial.attack != "transfer")
    store.write_study("", plan.model_copy(update={"trials": white_box}), {})
    without = load(store).worst
    joined = with_transfers.join(without, on=["variant", "norm", "epsilon"], suffix="_without")
    assert (joined["correct"] <= joined["correct_without"]).all()
    free = tuple(trial for trial in plan.trials if trial.attack not in ("deepfool", "carlini_wagner"))
    store.write_study("", plan.model_copy(update={"trials": free}), {})
    assert (with_transfers["correct"] <= load(store).worst["correct"]).all()
    assert with_transfers["correct"].sum() < load(store).worst["correct"].sum()  # minimum-norm rows broke some
