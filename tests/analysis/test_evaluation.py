"""A whole folder: complete, half-finished, empty, damaged, odd."""

from __future__ import annotations

import errno
import json
import math
import os
import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from brinell.analysis import CLEAN, WORST, Evaluation, load
from brinell.analysis.labels import labels
from brinell.core import StoreError, StudyPlan
from brinell.store import Failure, RunStore
from reporting.fake_run import BASELINE, FAKES, fake_plan, half_finished, many, write_block, write_fake_run
from store.rewriting import renew_hash


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    return write_fake_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def evaluation(whole: RunStore) -> Evaluation:
    return load(whole)


def test_every_planned_reading_is_there_once_and_in_order(evaluation: Evaluation) -> None:
    keys = evaluation.readings.select("attack", "variant", "epsilon", "steps", "seed")
    assert keys.height == keys.unique().height == 5 * 5 + 5 * 8 * 2
    names = [fake.name for fake in FAKES]
    assert evaluation.variants["variant"].to_list() == names
    for attack in ("fgsm", "pgd"):
        found = evaluation.readings.filter(pl.col("attack") == attack)
        assert found["variant"].unique(maintain_order=True).to_list() == names
    assert set(evaluation.coverage["state"]) == {"done"}
    assert evaluation.problems == ()


def test_figures_follow_from_the_files_alone(whole: RunStore, evaluation: Evaluation) -> None:
    trial = next(trial for trial in whole.plan().trials if trial.attack == "pgd" and trial.seed == 1)
    rows = pl.concat(whole.read_rows(trial.key, block.name) for block in trial.blocks)
    point = trial.points[5]
    expected = rows.filter((pl.col("epsilon") == point.epsilon) & (pl.col("steps") == point.steps))
    found = evaluation.readings.filter(
        (pl.col("variant") == "baseline")
        & (pl.col("attack") == "pgd")
        & (pl.col("seed") == 1)
        & (pl.col("epsilon") == point.epsilon)
        & (pl.col("steps") == point.steps)
    )
    assert found["robust_accuracy"].to_list() == [(expected["rank"] == 0).mean()]
    assert found["examples"].to_list() == [400]


def test_baselines_are_compared_with_and_not_compared(evaluation: Evaluation) -> None:
    assert "baseline" not in evaluation.pairs["variant"]
    assert set(evaluation.pairs["baseline"]) == {"baseline"}
    assert set(evaluation.pairs["attack"]) == {CLEAN, WORST, "fgsm", "pgd"}


def test_the_worst_case_is_at_most_every_reading(evaluation: Evaluation) -> None:
    joined = evaluation.readings.join(evaluation.worst, on=["variant", "norm", "epsilon"], suffix="_worst")
    assert joined.height == evaluation.readings.height
    assert (joined["robust_accuracy_worst"] <= joined["robust_accuracy"]).all()


def test_the_reference_lies_where_the_baseline_is_half_broken(evaluation: Evaluation) -> None:
    assert evaluation.reference_radius is not None
    assert evaluation.reference_radius.attacks == ("fgsm", "pgd")  # 16/255 is read by FGSM alone
    at = evaluation.worst.filter((pl.col("variant") == "baseline") & (pl.col("epsilon") < 10 / 255))
    halfway = (evaluation.variants["clean_accuracy"][0] + 0.1) / 2
    best = at.sort((pl.col("robust_accuracy") - halfway).abs())["epsilon"][0]
    assert evaluation.reference_radius.epsilon == best


def test_the_masked_variant_is_suspected_and_no_other(evaluation: Evaluation) -> None:
    assert set(evaluation.masking_signs["variant"]) == {"xnor"}


def test_breaking_stress_lies_between_the_readings_round_the_line(evaluation: Evaluation) -> None:
    row = evaluation.breaking.filter((pl.col("variant") == "baseline") & (pl.col("attack") == "fgsm")).to_dicts()[0]
    curve = evaluation.readings.filter((pl.col("variant") == "baseline") & (pl.col("attack") == "fgsm"))
    above = curve.filter(pl.col("robust_accuracy") > 0.1)["epsilon"].max()
    under = curve.filter(pl.col("robust_accuracy") <= 0.1)["epsilon"].min()
    assert above < row["breaking_stress"] <= under
    assert (row["quantity"], row["held"], row["line"]) == ("epsilon", 1.0, 0.1)


def test_two_networks_are_each_compared_with_their_own_baseline(tmp_path: Path) -> None:
    found = load(write_fake_run(tmp_path, many(6), examples=100))
    pairs = dict(found.pairs.select("variant", "baseline").iter_rows())
    assert len(pairs) == 4
    assert all(variant.startswith(baseline) for variant, baseline in pairs.items())


# Half-finished, empty


def test_half_finished(tmp_path: Path) -> None:
    store = write_fake_run(tmp_path)
    half_finished(store)
    found = load(store)
    states = {(row["variant"], row["attack"], row["seed"]): row for row in found.coverage.to_dicts()}
    assert states["baseline", "pgd", 0]["state"] == "partial"
    assert (states["baseline", "pgd", 0]["examples"], states["baseline", "pgd", 0]["planned"]) == (200, 400)
    assert states["baseline", "pgd", 1]["state"] == "missing"
    assert states["inq", "fgsm", 0]["state"] == "blocked"
    last = found.variants.to_dicts()[-1]
    assert (last["state"], last["reason"]) == ("failed", "the loss is NaN in epoch 3")
    assert (last["clean_accuracy"], last["encoded_bytes"], last["examples"]) == (None, None, 0)
    assert found.worst.filter(pl.col("variant") == "baseline")["examples"].to_list() == [200] * 5


def test_children_of_what_failed_are_blocked_and_unsupported_says_so(tmp_path: Path) -> None:
    plan = fake_plan((BASELINE, replace(FAKES[1], name="child"), replace(FAKES[2], name="grandchild", parent="child")))
    store = RunStore(tmp_path)
    store.write_study("", plan, {})
    store.write_failure(Failure(plan.variants[0].key, "variant baseline", "boom\nmore", "", unsupported=False))
    clean = f"{plan.trials[0].key}.{plan.trials[0].blocks[0].name}"
    store.write_failure(Failure(clean, "clean on baseline", "no gradient", "", unsupported=True))
    found = load(store)
    assert found.variants["state"].to_list() == ["failed", "blocked", "blocked"]
    assert found.variants["reason"].to_list() == ["boom", "waits for baseline", "waits for child"]
    assert found.coverage["state"].to_list()[0] == "unsupported"
    assert set(found.coverage["state"].to_list()[1:]) == {"blocked"}


def test_nothing_done_yet(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    store.write_study("", fake_plan(), {})
    found = load(store)
    assert found.readings.is_empty()
    assert found.reference_radius is None
    assert set(found.variants["state"]) == {"missing"}
    assert set(found.coverage["state"]) == {"missing"}


def test_a_plan_without_anything(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    store.write_study("", fake_plan(()), {})
    assert load(store).variants.is_empty()


def test_a_damaged_plan_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "study.json").write_text("{")
    with pytest.raises(StoreError, match=r"study\.json is damaged"):
        load(RunStore(tmp_path))


# Damaged, odd


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_fake_run(tmp_path_factory.mktemp("small"), FAKES[:2], examples=200).root


@pytest.fixture
def small(pristine: Path, tmp_path: Path) -> RunStore:
    return RunStore(shutil.copytree(pristine, tmp_path / "run"))


def first_block(store: RunStore, attack: str = "fgsm") -> tuple[StudyPlan, Path]:
    plan = store.plan()
    trial = next(trial for trial in plan.trials if trial.attack == attack)
    return plan, store.rows_path(trial.key, trial.blocks[0].name)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + bytes(200) + b"PAR1"])
def test_a_corrupt_file_is_left_out_and_said(small: RunStore, content: bytes) -> None:
    _, path = first_block(small)
    path.write_bytes(content)
    found = load(small)
    assert found.readings.filter((pl.col("attack") == "fgsm") & (pl.col("variant") == "baseline"))["examples"][0] == 100
    (problem,) = found.problems
    assert problem.startswith(f"trials/{path.parent.name}/{path.name} is left out")
    assert str(small.root) not in problem
    assert found.coverage.filter(pl.col("state") != "done")["state"].to_list() == ["partial"]


@pytest.mark.parametrize("seed", range(30))
def test_flipped_bytes_never_stop_the_rest(small: RunStore, seed: int) -> None:
    _, path = first_block(small)
    chance, data = random.Random(seed), bytearray(path.read_bytes())  # noqa: S311
    for _ in range(chance.choice([1, 5, 40])):
        data[chance.randrange(len(data))] = chance.randrange(256)
    path.write_bytes(data)
    found = load(small)
    assert found.readings.filter(pl.col("attack") == "pgd")["examples"].to_list() == [200] * 32


def test_rows_of_another_version_are_left_out(small: RunStore) -> None:
    _, path = first_block(small)
    frame = pl.read_parquet(path)
    frame.drop("rank").write_parquet(path)
    renew_hash(path)
    assert "lacks the columns rank: another version wrote it" in load(small).problems[0]
    frame.with_columns(rank=pl.lit("many")).write_parquet(path)
    renew_hash(path)
    assert "of another type" in load(small).problems[0]
    frame.with_columns(rank=pl.lit(None, dtype=pl.Int32)).write_parquet(path)
    renew_hash(path)
    assert "gaps in rank" in load(small).problems[0]


def test_corrupt_costs_environment_and_traces_are_left_out(small: RunStore) -> None:
    plan, _ = first_block(small)
    (small.variant(plan.variants[1].key) / "costs.json").write_text("[1")
    (small.root / "environment.json").write_text("nonsense")
    trial = next(trial for trial in plan.trials if trial.attack == "pgd")
    small.traces_path(trial.key, trial.blocks[0].name).unlink()
    found = load(small)
    assert len(found.problems) == 3
    assert found.environment == {}
    assert found.variants["encoded_bytes"].to_list()[1] is None
    assert found.traces.filter(pl.col("variant") == "baseline")["examples"].min() == 100


def column(name: str, value: float) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """Rows whose first one has another value there."""

    def change(frame: pl.DataFrame) -> pl.DataFrame:
        first = pl.int_range(pl.len()) == 0
        new = pl.when(first).then(pl.lit(value, dtype=frame.schema[name])).otherwise(pl.col(name))
        return frame.with_columns(new.alias(name))

    return change


TAMPERED: list[tuple[Callable[[pl.DataFrame], pl.DataFrame], str]] = [
    (column("linf", math.nan), "numbers that are not finite, in linf"),
    (column("margin", math.inf), "numbers that are not finite, in margin"),
    (column("epsilon", math.nan), "readings that were not planned, at epsilon nan and 1 steps"),
    (column("epsilon", 0.77), "readings that were not planned, at epsilon 0.77"),
    (lambda frame: pl.concat([frame, frame]), "500 readings twice"),
    (lambda frame: frame[1:], "499 of 500 readings"),
    (lambda frame: frame.with_columns(pl.col("example_id") + 7), "not those that were planned"),
    (column("rank", -1), "classes and ranks from -1 to 9"),
    (column("clean_prediction", 10), "classes and ranks from 0 to 10, where the study has 10"),
]


@pytest.mark.parametrize(("change", "said"), TAMPERED, ids=[said for _, said in TAMPERED])
def test_rows_that_cannot_be_are_left_out_and_said(
    small: RunStore, change: Callable[[pl.DataFrame], pl.DataFrame], said: str
) -> None:
    _, path = first_block(small)
    change(pl.read_parquet(path)).write_parquet(path)
    renew_hash(path)
    found = load(small)
    (problem,) = found.problems
    assert f"{path.name} is left out: it holds" in problem or "its examples are" in problem
    assert said in problem
    assert found.coverage.filter(pl.col("state") != "done")["state"].to_list() == ["partial"]


def test_a_loss_that_is_no_number_is_unknown(small: RunStore) -> None:
    plan, _ = first_block(small)
    trial = next(trial for trial in plan.trials if trial.attack == "pgd")
    traces = small.traces_path(trial.key, trial.blocks[0].name)
    pl.read_parquet(traces).with_columns(loss_sum=pl.lit(float("nan"))).write_parquet(traces)
    renew_hash(traces)
    found = load(small)
    assert found.traces.filter(pl.col("variant") == "baseline")["loss"].is_not_nan().all()
    assert found.traces["accuracy"].is_not_null().all()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (column("epsilon", math.nan), "radii that were not planned"),
        (column("correct", -1), "counts more right answers than examples, or fewer than none"),
        (column("correct", 10**6), "counts more right answers than examples, or fewer than none"),
    ],
)
def test_traces_that_cannot_be_are_left_out_and_said(
    small: RunStore, change: Callable[[pl.DataFrame], pl.DataFrame], said: str
) -> None:
    plan, _ = first_block(small)
    trial = next(trial for trial in plan.trials if trial.attack == "pgd")
    path = small.traces_path(trial.key, trial.blocks[0].name)
    change(pl.read_parquet(path)).write_parquet(path)
    renew_hash(path)
    (problem,) = load(small).problems
    assert said in problem


def test_a_folder_whose_name_is_a_pattern_is_read_alone(pristine: Path, tmp_path: Path) -> None:
    """`r?` matches `r1`: its rows would be counted as well."""
    for name in ("r1", "r?", "run[1]", "run*"):
        shutil.copytree(pristine, tmp_path / name)
    wanted = load(RunStore(tmp_path / "r1"))
    for name in ("r?", "run[1]", "run*"):
        found = load(RunStore(tmp_path / name))
        assert found.problems == ()
        assert found.readings.equals(wanted.readings)


@pytest.mark.parametrize("record", ['{"task": "y"}', "[]", "{", '{"task": 3, "label": 1}'])
def test_a_failure_whose_record_is_odd_is_still_one(small: RunStore, record: str) -> None:
    _, path = first_block(small)
    path.unlink()
    (small.root / "failures").mkdir()
    (small.root / "failures" / f"{path.parent.name}.{path.stem}.json").write_text(record)
    (row,) = load(small).coverage.filter(pl.col("state") != "done").to_dicts()
    assert row["state"] == "failed"
    assert "its record is damaged" in row["reason"]


def test_a_key_that_is_none_is_one_clear_error(small: RunStore) -> None:
    plan = json.loads(small.plan_path.read_bytes())
    plan["trials"][0]["key"] = "a\0b"
    small.plan_path.write_text(json.dumps(plan))
    renew_hash(small.plan_path)
    with pytest.raises(StoreError, match=r"study\.json is damaged: trials\.0\.key: .*should match pattern"):
        load(small)


def test_more_classes_than_a_column_counts_are_read(small: RunStore) -> None:
    plan = json.loads(small.plan_path.read_bytes())
    plan["classes"] = 10**30
    small.plan_path.write_text(json.dumps(plan))
    renew_hash(small.plan_path)
    assert set(load(small).coverage["state"]) == {"done"}


@pytest.mark.parametrize("place", ["trials", "variants", "probes", "failures"])
def test_a_folder_that_may_not_be_read_is_said(small: RunStore, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    forbidden = small.root / place
    forbidden.mkdir(exist_ok=True)

    def refuse(path: str) -> None:
        if Path(path) == forbidden or (place != "failures" and forbidden in Path(path).parents):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))

    lstat, scandir = os.lstat, os.scandir
    monkeypatch.setattr(os, "lstat", lambda path, **how: refuse(path) or lstat(path, **how))
    monkeypatch.setattr(os, "scandir", lambda path: refuse(path) or scandir(path))
    problems = load(small).problems
    if place == "probes":  # this study asks none
        assert problems == ()
    else:
        assert any(place in problem and "Permission denied" in problem for problem in problems)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "distilled's costs are left out: cannot read variants/{key}/costs.json: the file is missing"),
        ("[1", "distilled's costs are left out: cannot read variants/{key}/costs.json"),
        (
            '{"macs": "x", "dense_bytes": 3, "parameters": 4}',
            "distilled's costs are left out in part: variants/{key}/costs.json has no number for encoded_bytes, macs",
        ),
    ],
)
def test_costs_that_are_not_there_are_said(small: RunStore, text: str | None, said: str) -> None:
    variant = small.plan().variants[1]
    path = small.variant(variant.key) / "costs.json"
    path.unlink()
    if text is not None:
        path.write_text(text)
        renew_hash(path)
    (problem,) = load(small).problems
    assert problem.startswith(said.format(key=variant.key))


def test_of_one_class_nothing_can_be_told_of_breaking(tmp_path: Path) -> None:
    found = load(write_fake_run(tmp_path, FAKES[:2], examples=100, classes=1))
    assert found.line == 1.0
    assert found.breaking.is_empty()
    assert found.breaking_steps.is_empty()
    assert found.problems == (
        "Breaking is left out: of 1 class, which the study has, guessing is always right, and nothing can break",
    )


def test_labels_tell_seeds_apart(tmp_path: Path) -> None:
    plan = fake_plan(FAKES[:2])
    again = plan.variants[1].model_copy(update={"key": "a" * 20, "seed": 1})
    twin = plan.variants[1].model_copy(update={"key": "b" * 20, "seed": 1})
    plan = plan.model_copy(update={"variants": (*plan.variants, again, twin)})
    assert list(labels(plan).values()) == [
        "baseline",
        "distilled (seed 0)",
        f"distilled (seed 1) {'a' * 20}",
        f"distilled (seed 1) {'b' * 20}",
    ]


def test_two_names_for_one_attack_are_both_read(tmp_path: Path) -> None:
    plan = fake_plan(FAKES[:1], examples=100)
    twins = tuple(trial.model_copy(update={"attack": "again"}) for trial in plan.trials if trial.attack == "fgsm")
    store = RunStore(tmp_path)
    store.write_study("", plan.model_copy(update={"trials": (*plan.trials, *twins)}), {})
    for trial in plan.trials:
        write_block(store, trial, trial.blocks[0], FAKES[0])
    found = load(store).readings
    assert found.filter(pl.col("attack") == "again").height == found.filter(pl.col("attack") == "fgsm").height == 5
