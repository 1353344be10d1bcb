"""What changed between two runs: hand-made differences are found, and nothing else."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from brinell.analysis import load, mcnemar
from brinell.analysis.compare.changes import CHANGE_SCHEMA, COST_METRICS, changes
from brinell.analysis.compare.probe_changes import probe_changes
from brinell.analysis.records.probes import Corruptions, Found, Latency, Probes
from brinell.core import DataError, PlannedTrial, Point
from brinell.store import RunStore
from reporting.fake_run import FAKES, write_fake_run
from store.rewriting import renew_hash


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    return write_fake_run(tmp_path_factory.mktemp("before"), FAKES[:3], examples=200)


@pytest.fixture
def after(before: RunStore, tmp_path: Path) -> RunStore:
    return RunStore(shutil.copytree(before.root, tmp_path / "after"))


def test_two_runtimes_are_told_with_the_predictions_that_differ(before: RunStore, after: RunStore) -> None:
    plan = json.loads((after.root / "study.json").read_text())
    for trial in plan["trials"]:
        trial["runtime"] = "openvino"
    (after.root / "study.json").write_text(json.dumps(plan))
    renew_hash(after.root / "study.json")
    clean = next(trial for trial in after.plan().trials if trial.kind == "clean")
    path = after.rows_path(clean.key, clean.blocks[0].name)
    frame = pl.read_parquet(path)
    turned = pl.when(pl.col("example_id") < 3).then((pl.col("prediction") + 1) % 10).otherwise("prediction")
    frame.with_columns(turned.cast(pl.Int32).alias("prediction")).write_parquet(path)
    renew_hash(path)
    notes = changes(before, after).notes
    assert any("their predictions differ on 3 of 200 images" in note for note in notes)
    assert any("judged by reference in the first run, by openvino in the second" in note for note in notes)


def at(frame: pl.DataFrame, metric: str, variant: str, **where: object) -> dict[str, object]:
    chosen = frame.filter((pl.col("metric") == metric) & (pl.col("variant") == variant))
    for name, value in where.items():
        chosen = chosen.filter(pl.col(name) == value)
    return chosen.row(0, named=True)


def break_examples(store: RunStore, attack: str, variant: str, count: int) -> int:
    """Let the first `count` examples that still stand fall, at every point; how many fell at the last."""
    plan = store.plan()
    key = next(found.key for found in plan.variants if found.name == variant)
    trial = next(trial for trial in plan.trials if (trial.attack, trial.judged_on) == (attack, key))
    path = store.rows_path(trial.key, trial.blocks[0].name)
    frame = pl.read_parquet(path)
    falls = pl.col("example_id") < count
    changed = frame.with_columns(rank=pl.when(falls).then(pl.max_horizontal("rank", pl.lit(1))).otherwise("rank"))
    changed.with_columns(pl.col("rank").cast(pl.Int32)).write_parquet(path)
    renew_hash(path)
    last = (pl.col("epsilon") == trial.points[-1].epsilon) & (pl.col("steps") == trial.points[-1].steps)
    return frame.filter(falls & last & (pl.col("rank") == 0)).height


def test_a_run_has_not_changed_from_itself(before: RunStore, after: RunStore) -> None:
    found = changes(before, after)
    assert found.frame.columns == list(CHANGE_SCHEMA)
    assert found.notes == ()
    assert set(found.frame["change"]) == {0.0}
    assert set(found.frame["verdict"].drop_nulls()) == {"no difference"}
    assert {"clean_accuracy", "robust_accuracy", "top5_accuracy", "worst_case", "encoded_bytes", "macs"} <= set(
        found.frame["metric"]
    )


def test_values_are_those_of_the_reports(before: RunStore, after: RunStore) -> None:
    frame, evaluation = changes(before, after).frame, load(before)
    reading = evaluation.readings.filter((pl.col("variant") == "pruned") & (pl.col("attack") == "fgsm")).row(
        2, named=True
    )
    found = at(frame, "robust_accuracy", "pruned", attack="fgsm", epsilon=reading["epsilon"])
    assert (found["before"], found["after"], found["examples"]) == (
        pytest.approx(reading["robust_accuracy"]),
        pytest.approx(reading["robust_accuracy"]),
        200,
    )
    worst = evaluation.worst.filter(pl.col("variant") == "pruned").row(1, named=True)
    found = at(frame, "worst_case", "pruned", epsilon=worst["epsilon"])
    assert found["after"] == pytest.approx(worst["robust_accuracy"])


def test_what_fell_is_counted_and_tested(before: RunStore, after: RunStore) -> None:
    fell = break_examples(after, "fgsm", "pruned", 60)
    frame = changes(before, after).frame
    last = frame.filter((pl.col("attack") == "fgsm") & (pl.col("variant") == "pruned")).filter(
        (pl.col("epsilon") == pl.col("epsilon").max()) & (pl.col("metric") == "robust_accuracy")
    )
    row = last.row(0, named=True)
    assert (row["only_before"], row["only_after"]) == (fell, 0)
    assert row["change"] == pytest.approx(-fell / 200)
    assert row["p_value"] == pytest.approx(mcnemar(0, fell))
    other = frame.filter((pl.col("variant") == "distilled") & pl.col("p_value").is_not_null())
    assert set(other["change"]) == {0.0}
    assert (frame.filter((pl.col("metric") == "worst_case") & (pl.col("variant") == "pruned"))["change"] <= 0).all()


def test_only_shared_examples_count(before: RunStore, after: RunStore) -> None:
    plan = after.plan()
    trial = next(trial for trial in plan.trials if trial.attack == "fgsm")
    after.rows_path(trial.key, trial.blocks[1].name).unlink()
    found = at(changes(before, after).frame, "robust_accuracy", "baseline", attack="fgsm")
    assert found["examples"] == 100
    assert found["change"] == 0.0


def test_what_one_run_lacks_is_null_and_said(before: RunStore, after: RunStore) -> None:
    plan = after.plan()
    kept = [variant for variant in plan.variants if variant.name != "pruned"]
    keys = {variant.key for variant in kept}
    trials = tuple(trial for trial in plan.trials if {trial.judged_on, trial.crafted_on} <= keys)
    probes = tuple(probe for probe in plan.probes if probe.variant in keys)
    update = {"variants": tuple(kept), "trials": trials, "probes": probes}
    after.write_study("", plan.model_copy(update=update), {})
    found = changes(before, after)
    row = at(found.frame, "robust_accuracy", "pruned", attack="fgsm")
    assert row["before"] is not None
    assert (row["after"], row["change"]) == (None, None)
    assert any("plans pruned" in note for note in found.notes)


def trial_of(store: RunStore, attack: str, variant: str) -> PlannedTrial:
    plan = store.plan()
    key = next(found.key for found in plan.variants if found.name == variant)
    return next(trial for trial in plan.trials if (trial.attack, trial.judged_on) == (attack, key))


def test_a_reading_that_the_second_run_lacks_has_every_metric(before: RunStore, after: RunStore) -> None:
    shutil.rmtree(after.root / "trials" / trial_of(after, "fgsm", "pruned").key)
    frame = changes(before, after).frame
    for metric in ("robust_accuracy", "top5_accuracy"):
        rows = frame.filter((pl.col("metric") == metric) & (pl.col("variant") == "pruned"))
        gone = rows.filter(pl.col("attack") == "fgsm")
        assert len(gone) == 5
        assert gone["after"].null_count() == 5
        assert gone["before"].null_count() == 0
        assert rows.filter(pl.col("attack") == "pgd")["after"].null_count() == 0


def test_a_point_that_one_run_did_not_read_is_null_there(before: RunStore, after: RunStore) -> None:
    plan = after.plan()
    fewer = [
        trial.model_copy(update={"points": trial.points[:2]}) if trial.attack == "fgsm" else trial
        for trial in plan.trials
    ]
    for trial in plan.trials:
        for block in trial.blocks if trial.attack == "fgsm" else ():
            path = after.rows_path(trial.key, block.name)
            frame = pl.read_parquet(path)
            frame.filter(pl.col("epsilon") <= trial.points[1].epsilon).write_parquet(path)
            renew_hash(path)
    after.write_study("", plan.model_copy(update={"trials": tuple(fewer)}), {})
    for one, other, side in ((before, after, "after"), (after, before, "before")):
        frame = changes(one, other).frame
        rows = frame.filter((pl.col("metric") == "robust_accuracy") & (pl.col("attack") == "fgsm"))
        assert rows.filter(pl.col("variant") == "pruned")[side].null_count() == 3
        assert rows.filter(pl.col("variant") == "pruned").height == 5
    worst = changes(before, after).frame.filter((pl.col("metric") == "worst_case") & (pl.col("variant") == "pruned"))
    radii = [point.epsilon for point in trial_of(before, "fgsm", "pruned").points]
    some = "in the second run without some of fgsm"
    assert dict(worst.select("epsilon", "lacking").iter_rows()) == dict(
        zip(radii, [None, None, some, some, some], strict=True)
    )
    assert set(changes(after, before).frame["lacking"]) == {None}  # what is new lacks nothing


def test_what_the_second_run_has_measured_in_part_is_lacking(before: RunStore, after: RunStore) -> None:
    trial = trial_of(after, "fgsm", "pruned")
    after.rows_path(trial.key, trial.blocks[1].name).unlink()
    found = changes(before, after)
    lacks = "in the second run 100 of 200 examples are measured"
    assert found.notes == (f"fgsm of pruned: {lacks}",)
    row = at(found.frame, "robust_accuracy", "pruned", attack="fgsm")
    assert (row["lacking"], row["examples"]) == (lacks, 100)
    assert at(found.frame, "worst_case", "pruned")["lacking"] == f"fgsm: {lacks}"
    assert at(found.frame, "robust_accuracy", "pruned", attack="pgd")["lacking"] is None
    row = at(changes(after, before).frame, "robust_accuracy", "pruned", attack="fgsm")
    assert row["lacking"] == "in the first run 100 of 200 examples are measured"


def test_the_worst_case_says_which_attacks_it_lacks(before: RunStore, after: RunStore) -> None:
    shutil.rmtree(after.root / "trials" / trial_of(after, "fgsm", "pruned").key)
    frame = changes(before, after).frame.filter(pl.col("metric") == "worst_case")
    rows = frame.filter(pl.col("variant") == "pruned")
    assert set(rows["lacking"]) == {"fgsm: in the second run 0 of 200 examples are measured"}
    assert rows["after"].null_count() == 0  # of the other attacks
    assert set(frame.filter(pl.col("variant") != "pruned")["lacking"]) == {None}


def without(store: RunStore, attack: str, keep: Callable[[Point], bool]) -> None:
    """Neither plan nor rows know of the other points of an attack."""
    plan = store.plan()
    trials = []
    for trial in plan.trials:
        if trial.attack == attack:
            kept = [point for point in trial.points if keep(point)]
            for block in trial.blocks:
                path = store.rows_path(trial.key, block.name)
                frame = pl.read_parquet(path)
                points = pl.DataFrame(kept, schema={"epsilon": pl.Float64, "steps": pl.Int32}, orient="row")
                frame.join(points, on=["epsilon", "steps"], how="semi").write_parquet(path)
                renew_hash(path)
            trial = trial.model_copy(update={"points": tuple(kept)})
        trials.append(trial)
    store.write_study("", plan.model_copy(update={"trials": tuple(trials)}), {})


def test_a_worst_case_of_fewer_steps_is_no_better_one(before: RunStore, after: RunStore) -> None:
    """An attack that no longer goes to its strongest reading flatters the network."""
    few = min(point.steps for point in trial_of(before, "pgd", "pruned").points)
    without(after, "pgd", lambda point: point.steps == few)
    frame = changes(before, after).frame
    rows = frame.filter((pl.col("metric") == "worst_case") & (pl.col("variant") == "pruned"))
    attacked = {point.epsilon for point in trial_of(before, "pgd", "pruned").points}
    for row in rows.iter_rows(named=True):
        assert row["change"] == 0.0  # over what both attack with
        wanted = "in the second run without some of pgd" if row["epsilon"] >= min(attacked) else None
        assert row["lacking"] == wanted


def test_fewer_seeds_are_some_of_an_attack(before: RunStore, after: RunStore) -> None:
    plan = after.plan()
    one = [trial for trial in plan.trials if trial.seed == 0]
    assert len(one) < len(plan.trials)
    after.write_study("", plan.model_copy(update={"trials": tuple(one)}), {})
    worst = changes(before, after).frame.filter(pl.col("metric") == "worst_case")
    assert set(worst["lacking"]) == {"in the second run without some of pgd"}


def test_runs_that_share_no_example_are_not_compared(before: RunStore, after: RunStore, tmp_path: Path) -> None:
    other = RunStore(shutil.copytree(before.root, tmp_path / "other"))
    for store, gone in ((other, 0), (after, 1)):
        for trial in store.plan().trials:
            store.rows_path(trial.key, trial.blocks[gone].name).unlink()
    frame = changes(other, after).frame.filter(~pl.col("metric").is_in(COST_METRICS))
    assert {"clean_accuracy", "robust_accuracy", "top5_accuracy", "worst_case"} == set(frame["metric"])
    assert frame["lacking"].null_count() == 0
    assert frame["p_value"].null_count() == len(frame)
    whole = changes(before, before).frame.filter(~pl.col("metric").is_in(COST_METRICS))
    keys = ["metric", "variant", "attack", "epsilon", "steps", "seed"]
    assert frame.select(keys).sort(keys).equals(whole.select(keys).sort(keys))  # no row is missing


def test_what_the_first_run_planned_and_never_measured_is_lacking(before: RunStore, after: RunStore) -> None:
    shutil.rmtree(after.root / "trials" / trial_of(after, "fgsm", "pruned").key)
    for one, other, run in ((after, before, "first"), (before, after, "second")):
        row = at(changes(one, other).frame, "robust_accuracy", "pruned", attack="fgsm")
        assert row["lacking"] == f"in the {run} run 0 of 200 examples are measured"
    row = at(changes(after, after).frame, "robust_accuracy", "pruned", attack="fgsm")
    assert (row["before"], row["after"]) == (None, None)
    assert "in the first run 0 of 200 examples are measured and in the second run 0" in str(row["lacking"])


def test_what_only_the_second_run_plans_is_new(before: RunStore, after: RunStore) -> None:
    plan = before.plan()
    fewer = RunStore(shutil.copytree(before.root, after.root.parent / "fewer"))
    trials = tuple(trial for trial in plan.trials if trial.attack != "fgsm")
    fewer.write_study("", plan.model_copy(update={"trials": trials}), {})
    frame = changes(fewer, before).frame
    row = at(frame, "robust_accuracy", "pruned", attack="fgsm")
    assert (row["before"], row["lacking"]) == (None, None)
    assert row["after"] is not None
    assert set(frame["lacking"]) == {None}
    for variant in plan.variants:  # planned, and not there yet
        shutil.rmtree(after.root / "trials" / trial_of(after, "fgsm", variant.name).key)
    assert changes(fewer, after).frame.filter(pl.col("attack") == "fgsm").is_empty()


def test_a_variant_without_any_attack_has_no_worst_case(before: RunStore, after: RunStore) -> None:
    for trial in after.plan().trials:
        if trial.attack != "clean" and trial.judged_on == trial_of(after, "fgsm", "pruned").judged_on:
            shutil.rmtree(after.root / "trials" / trial.key)
    worst = load(before).worst.filter(pl.col("variant") == "pruned")
    rows = changes(before, after).frame.filter((pl.col("metric") == "worst_case") & (pl.col("variant") == "pruned"))
    assert rows["after"].null_count() == len(rows) == len(worst)
    assert rows["before"].to_list() == pytest.approx(worst["robust_accuracy"].to_list())


def test_costs_other_settings_and_damage(before: RunStore, after: RunStore) -> None:
    plan = after.plan()
    costs = after.variant(plan.variants[1].key) / "costs.json"
    costs.write_text(json.dumps({**json.loads(costs.read_text()), "encoded_bytes": 400_000}))
    renew_hash(costs)
    (after.variant(plan.variants[2].key) / "costs.json").write_text("{")
    trials = [
        trial.model_copy(update={"spec": {**trial.spec, "loss": "margin"}}) if trial.attack == "fgsm" else trial
        for trial in plan.trials
    ]
    after.write_study("", plan.model_copy(update={"trials": tuple(trials)}), {})
    found = changes(before, after)
    row = at(found.frame, "encoded_bytes", "distilled")
    assert (row["before"], row["after"], row["change"]) == (301_020.0, 400_000.0, 98_980.0)
    assert at(found.frame, "encoded_bytes", "pruned")["after"] is None
    assert "fgsm has other settings in the second run" in found.notes
    assert any("costs.json" in note for note in found.notes)


def test_other_data_cannot_be_compared(before: RunStore, after: RunStore) -> None:
    after.write_study("", after.plan().model_copy(update={"fingerprint": "1" * 64}), {})
    with pytest.raises(DataError, match="only runs on the same data"):
        changes(before, after)


def answers(latencies: dict[str, float], shares: list[float] | None = None) -> Probes:
    """Latency of the variant `a` by runtime, in milliseconds with quartiles of 1 % around; images that are right."""
    readings = [
        {
            "runtime": name,
            "batch": batch,
            "median_ms": ms * batch,
            "low_ms": 0.99 * ms,
            "high_ms": 1.01 * ms,
            "runs": 400,
        }
        for name, ms in latencies.items()
        for batch in (1, 8)
    ]
    record = Latency.model_validate({"machine": "two cores", "threads": 1, "readings": readings})
    found = [Found("a", record, dict)]
    if shares is None:
        return Probes({"latency": tuple(found)})
    correct = np.array([shares, shares]) > 0
    both = [{"corruption": "fog", "severity": severity, "accuracy": float(correct.mean())} for severity in (1, 2)]
    about = {"settings": "CIFAR-10-C", "examples": len(shares), "clean_accuracy": 1.0}
    corrupted = {**about, "mean_accuracy": float(correct.mean()), "readings": both}
    asked = Found("a", Corruptions.model_validate(corrupted), lambda: {"correct": correct})
    return Probes({"latency": tuple(found), "corruptions": (asked,)})


def test_latency_and_corruption_accuracy_are_tested() -> None:
    before = answers({"reference": 10.0, "openvino": 5.0}, shares=[1, 1, 1, 1, 0, 0])
    after = answers({"reference": 10.005, "openvino": 5.2}, shares=[1, 1, 1, 1, 0, 1])
    rows = list(probe_changes(before, after))
    assert [(row["metric"], row["runtime"], row["verdict"]) for row in rows] == [
        ("latency_ms", "reference", "no difference"),
        ("latency_ms", "openvino", "worse"),
        ("corruption_accuracy", None, "no difference"),
    ]
    # By hand: the quartiles are 0.1 apart, so that a median of 400 runs has an error of 0.92904 * 0.1 / 20.
    error = 1.2533 / 1.3490 * 0.1 / 20 * 2**0.5
    assert rows[1]["p_value"] == pytest.approx(math.erfc(0.2 / error / 2**0.5))
    assert rows[2]["change"] == pytest.approx(1 / 6)
    gone = list(probe_changes(before, Probes()))
    assert [row["after"] for row in gone] == [None] * 3
