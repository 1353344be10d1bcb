"""Verdicts on requirements: by bounds, of the worst reading, and undecided where something is missing or doubtful."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from brinell.analysis import Evaluation, load
from brinell.analysis.records.probes import PROBE_RECORDS, Found, Probes
from brinell.analysis.requirements import MET, NOT_MET, UNDECIDED, BoundedValue, decide, requirements
from brinell.analysis.significance.bounds import difference_bounds, share_bounds
from brinell.core import ConfigurationError
from brinell.core.requirements import COUNTED, METRICS, parse_requirement
from reporting.fake_run import FAKES, half_finished, write_fake_run


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    return load(write_fake_run(tmp_path_factory.mktemp("run")))


def verdict(evaluation: Evaluation, text: str) -> dict[str, str]:
    return dict(requirements(evaluation, [text]).select("variant", "verdict").iter_rows())


@pytest.mark.parametrize(
    ("text", "low", "high", "verdict"),
    [
        ("clean_accuracy >= 0.9", 0.9, 0.99, MET),
        ("clean_accuracy > 0.9", 0.9, 0.99, UNDECIDED),
        ("clean_accuracy >= 0.9", 0.89, 0.99, UNDECIDED),
        ("clean_accuracy >= 0.9", 0.8, 0.899, NOT_MET),
        ("encoded_bytes <= 100", 100, 100, MET),
        ("encoded_bytes < 100", 100, 100, NOT_MET),
        ("latency_ms <= 2", 1.9, 2.1, UNDECIDED),
    ],
)
def test_both_bounds_decide(text: str, low: float, high: float, verdict: str) -> None:
    assert decide(parse_requirement(text), BoundedValue((low + high) / 2, low, high)) == verdict


def test_a_share_is_judged_by_its_bounds_and_not_by_its_estimate(evaluation: Evaluation) -> None:
    row = evaluation.variants.filter(pl.col("variant") == "pruned").row(0, named=True)
    low, high = share_bounds(round(row["clean_accuracy"] * row["examples"]), row["examples"])
    assert low < row["clean_accuracy"] < high
    for limit, expected in ((low - 1e-6, MET), (row["clean_accuracy"], UNDECIDED), (high + 1e-6, NOT_MET)):
        assert verdict(evaluation, f"clean_accuracy of pruned >= {limit:.8f}") == {"pruned": expected}


def test_a_change_is_judged_on_the_same_examples(evaluation: Evaluation) -> None:
    pair = evaluation.pairs.filter((pl.col("variant") == "inq") & (pl.col("attack") == "clean")).row(0, named=True)
    low, high = difference_bounds(pair["only_variant"], pair["only_baseline"], pair["examples"])
    (row,) = requirements(evaluation, ["clean_accuracy of inq >= -0.5"]).iter_rows(named=True)
    assert (row["value"], row["low"], row["high"]) == pytest.approx((pair["difference"], low, high))
    assert (row["verdict"], row["baseline"], row["examples"]) == (MET, "baseline", pair["examples"])
    for limit, expected in ((low - 1e-6, MET), (pair["difference"], UNDECIDED), (high + 1e-6, NOT_MET)):
        assert verdict(evaluation, f"clean_accuracy of inq >= {limit:+.8f}") == {"inq": expected}


def test_of_several_readings_the_worst_decides(evaluation: Evaluation) -> None:
    (row,) = requirements(evaluation, ["robust_accuracy of distilled >= 0.01"]).iter_rows(named=True)
    own = evaluation.readings.filter(pl.col("variant") == "distilled").sort("robust_accuracy").row(0, named=True)
    assert (row["value"], row["attack"], row["epsilon"]) == (own["robust_accuracy"], own["attack"], own["epsilon"])
    (row,) = requirements(evaluation, ["robust_accuracy under fgsm within 2/255 of distilled >= 0.5"]).iter_rows(
        named=True
    )
    assert (row["attack"], row["epsilon"], row["verdict"]) == ("fgsm", 2 / 255, MET)


def test_what_counts_is_exact_and_a_percentage_is_a_change(evaluation: Evaluation) -> None:
    # baseline 300,412 bytes, pruned 96,310: 32.06 % of it
    assert verdict(evaluation, "encoded_bytes of pruned <= 96310") == {"pruned": MET}
    assert verdict(evaluation, "encoded_bytes of pruned < 96310") == {"pruned": NOT_MET}
    assert verdict(evaluation, "encoded_bytes of pruned <= -67%") == {"pruned": MET}
    assert verdict(evaluation, "encoded_bytes of pruned <= -68%") == {"pruned": NOT_MET}
    assert verdict(evaluation, "encoded_bytes of pruned <= -204102") == {"pruned": MET}
    assert verdict(evaluation, "encoded_bytes of pruned <= -204103") == {"pruned": NOT_MET}


def test_it_is_on_what_is_compared_unless_it_names_others(evaluation: Evaluation) -> None:
    assert set(verdict(evaluation, "encoded_bytes <= 1e9")) == {"distilled", "pruned", "xnor", "inq"}
    assert set(verdict(evaluation, "encoded_bytes of base* <= 1e9")) == {"baseline"}
    with pytest.raises(ConfigurationError, match="it is on no variant of the run"):
        requirements(evaluation, ["encoded_bytes of nobody <= 1e9"])


def test_signs_of_masking_leave_robustness_undecided(evaluation: Evaluation) -> None:
    found = requirements(evaluation, ["worst_case within 1/255 of xnor >= 0.01"]).row(0, named=True)
    assert "xnor" in evaluation.suspects
    assert found["low"] > 0.01
    assert (found["verdict"], found["reason"][:25]) == (UNDECIDED, "signs of masked gradients")
    assert verdict(evaluation, "worst_case within 1/255 of xnor >= 1") == {"xnor": NOT_MET}  # masked or not


def test_what_is_not_measured_is_undecided(tmp_path: Path) -> None:
    store = write_fake_run(tmp_path)
    half_finished(store)
    half = load(store)
    (row,) = requirements(half, ["robust_accuracy under pgd within 1/255 of pruned >= 0.01"]).iter_rows(named=True)
    assert (row["verdict"], row["reason"]) == (UNDECIDED, "pgd on pruned: 200 of 400 examples are measured")
    assert verdict(half, "clean_accuracy of inq >= 0.1") == {"inq": UNDECIDED}
    assert verdict(half, "encoded_bytes of inq <= 1") == {"inq": UNDECIDED}


def test_a_plan_of_a_stranger_whose_requirement_cannot_be_read_says_so(evaluation: Evaluation) -> None:
    plan = evaluation.plan.model_copy(update={"requirements": ("beauty >= 1", "encoded_bytes of inq <= 1")})
    found = requirements(replace(evaluation, plan=plan))
    assert found["verdict"].to_list() == [UNDECIDED, NOT_MET]
    assert "'beauty' is no metric" in found["reason"][0]


def test_no_requirements_no_rows(evaluation: Evaluation) -> None:
    assert requirements(evaluation).is_empty()


def test_equal_counts_are_met_by_everyone_who_changes_nothing(tmp_path: Path) -> None:
    twin = replace(FAKES[0], name="twin", parent="baseline", family="prune")
    evaluation = load(write_fake_run(tmp_path, (FAKES[0], twin), examples=200))
    for metric in COUNTED:
        if evaluation.variants[metric].null_count() == 0:
            assert verdict(evaluation, f"{metric} of twin <= +0") == {"twin": MET}


def test_the_docs_name_every_metric() -> None:
    page = (Path(__file__).parents[2] / "docs" / "studies.md").read_text()
    section = page.partition("## requirements")[2].partition("\n## ")[0]
    assert [metric for metric in METRICS if f"`{metric}`" not in section] == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("clean_accuracy under pgd >= 0.9", "depends on no attack"),
        ("encoded_bytes within 2/255 <= 9", "read at no radius"),
        ("encoded_bytes <= 50%", r"needs a sign: \+50% or -50%"),
        ("clean_accuracy >= -1%", "write -0.01"),
        ("clean_accuracy >= 90", "is never reached"),
        ("macs <= 0", "macs is never <= 0"),
        ("macs <= -100%", "macs never falls by 100% or more"),
        ("clean_accuracy >= 0.9 at p < 0.05", "decided by one-sided 95% bounds"),
        ("accuracy >= 0.9", "'accuracy' is no metric"),
    ],
)
def test_what_can_never_be_meant_is_refused(text: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        parse_requirement(text)


def probed(evaluation: Evaluation, **answers: list[tuple[str, dict[str, Any], dict[str, Any]]]) -> Evaluation:
    """With answers of probes: variant, record and arrays, by kind."""
    records = {record.kind: record for record in PROBE_RECORDS}
    found = {
        kind: tuple(
            Found(name, records[kind].model_validate(record), lambda arrays=arrays: arrays)
            for name, record, arrays in every
        )
        for kind, every in answers.items()
    }
    return replace(evaluation, probes=Probes(found))


def latency(*readings: tuple[str, int, float]) -> dict[str, Any]:
    """By runtime, batch and median."""
    known = [
        {"runtime": runtime, "batch": batch, "median_ms": ms, "low_ms": 0.9 * ms, "high_ms": 1.1 * ms, "runs": 30}
        for runtime, batch, ms in readings
    ]
    return {"machine": "2 cores", "threads": 1, "readings": known}


def test_latency_is_of_the_runtime_that_is_named(evaluation: Evaluation) -> None:
    own = latency(("reference", 1, 4.0), ("openvino", 1, 1.0), ("openvino", 8, 5.0))
    base = latency(("reference", 1, 2.0), ("openvino", 1, 2.0))
    known = probed(evaluation, latency=[("pruned", own, {}), ("baseline", base, {})])
    assert verdict(known, "latency_ms on openvino of pruned <= 1.2") == {"pruned": MET}
    assert verdict(known, "latency_ms of pruned <= 1.2") == {"pruned": NOT_MET}
    assert verdict(known, "latency_ms on openvino of pruned <= -30%") == {"pruned": MET}
    assert verdict(known, "latency_ms on sparse of pruned <= 1.2") == {"pruned": UNDECIDED}
    with pytest.raises(ConfigurationError, match="macs is of no runtime"):
        parse_requirement("macs on openvino <= 5")


def corrupted(correct: list[list[int]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A record of `fog` at two severities and of `snow` at one, and what it counted."""
    points = [("fog", 1), ("fog", 2), ("snow", 1)]
    array = np.array(correct, dtype=bool)
    readings = [
        {"corruption": name, "severity": severity, "accuracy": float(row.mean())}
        for (name, severity), row in zip(points, array, strict=True)
    ]
    about = {"settings": "CIFAR-10-C", "examples": array.shape[1], "clean_accuracy": 1.0}
    return {**about, "mean_accuracy": float(array.mean()), "readings": readings}, {"correct": array}


def test_corruption_accuracy_is_a_mean_that_is_compared_on_the_same_images(evaluation: Evaluation) -> None:
    base = corrupted([[1] * 40, [1] * 40, [0, 1] * 20])
    own = corrupted([[1] * 40, [0] * 4 + [1] * 36, [0, 1] * 20])
    known = probed(evaluation, corruptions=[("pruned", *own), ("baseline", *base)])
    (row,) = requirements(known, ["corruption_accuracy of pruned >= -0.3"]).iter_rows(named=True)
    # Four images lose a third of their share: 4 / 3 of an example of 40 that only the baseline gets right.
    assert row["value"] == pytest.approx(-4 / 3 / 40)
    assert (row["low"], row["high"]) == pytest.approx(difference_bounds(0, 4 / 3, 40))
    assert (row["verdict"], row["examples"]) == (MET, 40)
    (row,) = requirements(known, ["corruption_accuracy under fog of pruned >= 0.8"]).iter_rows(named=True)
    assert row["value"] == pytest.approx(76 / 80)
    assert (row["low"], row["high"]) == pytest.approx(share_bounds(38, 40))
    assert verdict(known, "corruption_accuracy under frost of pruned >= 0.1") == {"pruned": UNDECIDED}
    assert verdict(known, "corruption_accuracy of inq >= 0.1") == {"inq": UNDECIDED}
    alone = probed(evaluation, corruptions=[("pruned", own[0], {}), ("baseline", *base)])  # of an earlier version
    assert verdict(alone, "corruption_accuracy of pruned >= -0.3") == {"pruned": UNDECIDED}
