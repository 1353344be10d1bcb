"""The sentences at the top follow from the readings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from brinell.analysis import Choice, load
from brinell.reporting.baseline_comparison import compare_with_baseline
from brinell.reporting.summary import Summary, summary
from brinell.store import RunStore
from reporting.fake_run import BASELINE, FAKES, fake_plan, half_finished, many, write_fake_run


def text(found: Summary) -> dict[str, str]:
    notes = {title: " ".join("".join(map(str, part)) for part in sentences) for title, sentences in found.notes}
    return {"lead": " ".join("".join(map(str, part)) for part in found.lead), **notes}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return text(summary(load(write_fake_run(tmp_path_factory.mktemp("run")))))


def test_the_smallest_that_keeps_both_and_is_not_masked(whole: dict[str, str]) -> None:
    assert whole["lead"].startswith(
        "inq is the best trade-off: 58.9\u202fkB, 5.1\u00d7 smaller than the file of baseline, with 96.0% clean"
    )
    assert whole["lead"].endswith("Neither accuracy is distinguishable from the baseline's on n = 400.")


def test_who_breaks_first_and_who_only_looks_robust(whole: dict[str, str]) -> None:
    assert whole["Least robust"].startswith(
        "Under fgsm pruned is the first to fall to the accuracy of guessing, at 14/255; distilled not up to 16/255."
    )
    assert whole["Least robust"].endswith("Under pgd no variant falls to the accuracy of guessing (10%) by 8/255.")
    assert whole["Masked gradients"].startswith(
        "xnor may have masked gradients: 16.5% of its input gradients under fgsm are"
    )
    assert "distilled" not in whole["Masked gradients"]


def test_on_what_it_stands(whole: dict[str, str]) -> None:
    assert (
        whole["Measured on"] == "400 examples of digits, 10 classes; 5 variants under fgsm and pgd. Nothing is missing."
    )


def test_probes_without_an_answer_are_missing(tmp_path: Path) -> None:
    evaluation = load(write_fake_run(tmp_path, FAKES[:2], examples=100))
    rows = [(name, "masking", "missing", None) for name in evaluation.variants["variant"]]
    unanswered = pl.DataFrame(rows, schema=evaluation.unanswered.schema, orient="row")
    found = text(summary(replace(evaluation, unanswered=unanswered)))
    assert found["Measured on"].endswith("All trials are complete; 2 probes missing.")


def test_an_honest_study_says_that_it_looked(tmp_path: Path) -> None:
    found = text(summary(load(write_fake_run(tmp_path, FAKES[:2], examples=100))))
    assert found["Masked gradients"].startswith("No variant shows signs of masked gradients")
    assert found["lead"] == "No measured variant of baseline is smaller and free of signs of masked gradients."


def test_what_changes_by_more_than_chance_is_said_in_points(tmp_path: Path) -> None:
    hardy = replace(FAKES[2], name="hardy", clean=BASELINE.clean - 0.01, radius=2 * BASELINE.radius)
    evaluation = load(write_fake_run(tmp_path, (BASELINE, hardy)))
    assert evaluation.reference_radius is not None
    at = {
        row["variant"]: row
        for row in evaluation.worst.iter_rows(named=True)
        if row["epsilon"] == evaluation.reference_radius.epsilon
    }
    gained = 100 * (at["hardy"]["robust_accuracy"] - at["baseline"]["robust_accuracy"])
    clean = dict(evaluation.variants.select("variant", "clean_accuracy").iter_rows())
    lost = 100 * (clean["baseline"] - clean["hardy"])
    assert gained > 2
    assert 0 < lost < 2
    said = text(summary(evaluation))["lead"]
    clean_part = f"Clean accuracy is not distinguishable from the baseline's on n = 400 ({lost:.1f} points lower)"
    assert said.endswith(f". {clean_part}, and robust accuracy is {gained:.1f} points higher.")


def test_nothing_keeps_up(tmp_path: Path) -> None:
    weak = replace(FAKES[2], name="weak", clean=0.8, radius=2.0)
    found = text(summary(load(write_fake_run(tmp_path, (BASELINE, weak)))))
    assert found["lead"].startswith(
        "No compressed variant is within 2 points of baseline in both clean and robust accuracy. weak is"
    )


def test_two_networks_get_a_sentence_each(tmp_path: Path) -> None:
    assert len(summary(load(write_fake_run(tmp_path, many(6), examples=100))).lead) == 2


def test_half_finished_is_never_all_of_it(tmp_path: Path) -> None:
    store = write_fake_run(tmp_path)
    half_finished(store)
    found = text(summary(load(store)))["Measured on"]
    assert found.startswith("200 to 400 examples of digits, 10 classes; 4 variants under fgsm and pgd.")
    assert "% of the planned readings are measured; incomplete trials: 4 blocked, 4 missing and 4 partial." in found


def test_nothing_measured(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    store.write_study("", fake_plan(), {})
    found = text(summary(load(store)))
    assert found["lead"] == "No attack is finished yet, so no best trade-off is given."
    assert set(found) == {"lead", "Measured on"}
    assert found["Measured on"].startswith("Planned: 400 examples of digits. 0% of the planned readings")


def test_requirements_are_counted_and_who_meets_them_all_is_named(tmp_path: Path) -> None:
    evaluation = load(write_fake_run(tmp_path, FAKES[:3], examples=200))
    texts = ("encoded_bytes <= -50%", "encoded_bytes of pruned <= 1000000")
    found = summary(replace(evaluation, plan=evaluation.plan.model_copy(update={"requirements": texts})))
    assert text(found)["Requirements"] == "3 verdicts: 2 met and 1 not met. pruned meets every requirement."
    texts = ("encoded_bytes <= 1",)
    found = summary(replace(evaluation, plan=evaluation.plan.model_copy(update={"requirements": texts})))
    assert text(found)["Requirements"] == "2 verdicts: 2 not met. No variant meets every requirement."


def test_the_worst_case_says_what_it_is_over(whole: dict[str, str]) -> None:
    assert whole["Robust accuracy"] == "The worst case within 4/255 over fgsm and pgd on 400 examples."


@pytest.mark.parametrize(
    ("clean", "robust", "said"),
    [
        (["no difference"], ["no difference"], "Neither accuracy is distinguishable from the baseline's on n = 20"),
        (["worse"], ["better"], "Clean accuracy is 1.0 points lower, and robust accuracy is 2.0 points higher"),
        (
            [],
            ["worse"],
            "Clean accuracy is 1.0 points lower (not tested), and robust accuracy is 2.0 points higher",
        ),
        (
            ["worse", "no difference"],
            ["better", "better"],
            "Clean accuracy is 1.0 points lower on average (worse in 1 and not distinguishable in 1 of 2 trainings, "
            "n = 20), and robust accuracy is 2.0 points higher on average (better in 2 of 2 trainings, n = 20)",
        ),
    ],
)
def test_what_is_said_of_differences(clean: list[str], robust: list[str], said: str, tmp_path: Path) -> None:
    evaluation = load(write_fake_run(tmp_path, FAKES[:1], examples=100))
    rows = [
        ("v", attack, 20, verdict) for attack, every in (("clean", clean), ("worst case", robust)) for verdict in every
    ]
    pairs = pl.DataFrame(rows, schema=["variant", "attack", "examples", "verdict"], orient="row")
    empty = evaluation.pairs.clear()
    pairs = pl.concat([empty, pairs], how="diagonal_relaxed")
    choice = Choice("baseline", 1, "v", True, clean_loss=0.01, robust_loss=-0.02)
    assert compare_with_baseline(replace(evaluation, pairs=pairs, reference_radius=None), choice) == said
