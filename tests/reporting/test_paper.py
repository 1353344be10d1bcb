"""The paper in the report: a section where a study names one, none where it does not."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from brinell.analysis import Evaluation, load
from brinell.analysis.papers import Finding, paper
from brinell.core import PlannedPaper
from brinell.reporting.layout import by_section
from brinell.reporting.report import write_with_problems
from brinell.reporting.summary import summary
from brinell.reporting.table import Table
from brinell.reporting.tables import tables
from brinell.store import RunStore
from reporting.fake_run import half_finished, write_fake_run
from store.rewriting import renew_hash

ROWS = {"baseline": "alexnet", "pruned": "deep-compression", "inq": "inq", "xnor": "proposed"}


def name_paper(store: RunStore, kind: str = "robust-compression") -> None:
    """As if the run's study had named it."""
    plan = store.plan().model_copy(update={"paper": PlannedPaper(kind=kind, rows=ROWS)})
    store.plan_path.write_text(plan.model_dump_json())
    renew_hash(store.plan_path)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    store = write_fake_run(tmp_path_factory.mktemp("paper"))
    name_paper(store)
    return store


@pytest.fixture(scope="module")
def evaluation(run: RunStore) -> Evaluation:
    return load(run)


def only(evaluation: Evaluation, section: str) -> Table:
    (table,) = by_section(tables(evaluation))[section]
    return table


def said(table: Table, claim: str) -> tuple[str, str]:
    """The verdict on the claim that begins so, and what decides it."""
    (row,) = [row for row in table.rows if row[0].text.startswith(claim)]
    return row[1].text, row[2].text


def test_every_printed_value_is_a_row_with_its_settings(evaluation: Evaluation) -> None:
    table = only(evaluation, "paper")
    assert table.title == "Beside the robustness paper"
    (row,) = [row for row in table.rows if (row[0].text, row[2].text) == ("inq", "FGSM, top-1")]
    ours = evaluation.seed_means.filter(
        (pl.col("variant") == "inq") & (pl.col("attack") == "fgsm") & ((pl.col("epsilon") - 2 / 255).abs() < 1e-9)
    )["robust_accuracy"][0]
    assert row[0].note == "INQ"
    assert row[2].note == "%; fgsm: norm linf, loss cross_entropy, label true"
    assert (row[3].text, row[4].text) == ("24.60", f"{100 * ours:.2f}")
    assert row[5].sort == pytest.approx(100 * ours - 24.6)
    assert row[6].text == "digits instead of imagenet; 400 examples instead of 50,000"
    bim = next(row for row in table.rows if (row[0].text, row[2].text) == ("inq", "BIM, top-1"))
    assert (bim[4].missing, bim[4].note, bim[5].missing) == (True, "the study has no bim like the paper's", True)
    assert bim[6].text.startswith("BIM's radius, steps and step size are not printed; ")


def test_findings_give_a_verdict_and_what_decides_it(evaluation: Evaluation) -> None:
    table = only(evaluation, "findings")
    verdict, why = said(table, "The proposed network takes fewer bytes")
    assert (verdict, why.splitlines()[0]) == ("holds", "xnor file, MB 0.02176, inq 0.05894")
    verdict, why = said(table, "The proposed network is at least 90")
    assert (verdict, why) == ("does not hold", "xnor compression rate 14.8; claimed 90")
    table = only(evaluation, "untested-findings")
    verdict, why = said(table, "Int8 behaves")
    assert (verdict, why) == ("not tested", "missing: no variant stands for Int8 and Inception-v3")
    assert "not tested" not in {row[1].text for row in only(evaluation, "findings").rows}
    assert {row[1].text for row in table.rows} == {"not tested"}


def test_the_answer_counts_the_claims(evaluation: Evaluation) -> None:
    (sentence,) = dict(summary(evaluation).notes)["Reproduction"]
    told = "".join(map(str, sentence))
    found = by_section(tables(evaluation))["findings"][0].rows
    counts = Counter(row[1].text for row in (*found, *only(evaluation, "untested-findings").rows))
    assert counts["holds"] > 0 < counts["does not hold"]
    assert told == (
        f"{counts.total()} claims of the robustness paper: {counts['holds']} hold here, "
        f"{counts['does not hold']} do not hold and {counts['not tested']} not tested. "
        "The table of findings has the evidence."
    )
    without = replace(evaluation, plan=evaluation.plan.model_copy(update={"paper": None}))
    assert "Reproduction" not in dict(summary(without).notes)


def test_a_robustness_that_nobody_probed_is_said_to_be(evaluation: Evaluation, monkeypatch: pytest.MonkeyPatch) -> None:
    claim = paper("robust-compression").findings[0]
    held = Finding(claim, "holds", (), unprobed=("xnor",))
    monkeypatch.setattr("brinell.reporting.tables.findings.findings", lambda ours: [held])
    assert said(only(evaluation, "findings"), "The proposed network is the most") == (
        "holds",
        "xnor was not probed for masked gradients",
    )


def test_a_half_finished_run_has_the_section_too(tmp_path: Path) -> None:
    store = write_fake_run(tmp_path)
    half_finished(store)
    name_paper(store)
    found = load(store)
    verdict, why = said(only(found, "untested-findings"), "INQ is more accurate")
    assert verdict == "not tested"
    assert "not measured yet, or not read at this strength: inq" in why
    assert all(row[4].missing for row in only(found, "paper").rows if row[0].text == "inq")


def test_the_page_holds_it_and_the_folder_its_files(run: RunStore) -> None:
    report = write_with_problems(run.root)
    assert report.problems == ()
    page = report.page.read_text()
    for name, title in (
        ("findings", "What the robustness paper found"),
        ("beside-the-paper", "Beside the robustness paper"),
    ):
        assert title in page
        for kind in ("svg", "pdf", "csv", "tex"):
            assert (run.report / "tables" / f"{name}.{kind}").stat().st_size > 500
    frame = pl.read_csv(run.report / "tables" / "beside-the-paper.csv")
    assert frame.filter(pl.col("quantity") == "Clean, top-1")["printed"].to_list() == [57.24, 56.24, 57.39, 58.18]


def test_a_run_of_before_has_neither_section_nor_error(tmp_path: Path) -> None:
    store = write_fake_run(tmp_path)
    plan = json.loads(store.plan_path.read_text())
    del plan["paper"]
    store.plan_path.write_text(json.dumps(plan))
    renew_hash(store.plan_path)
    found = by_section(tables(load(store)))
    assert found["paper"] == found["findings"] == found["untested-findings"] == []


def test_a_paper_of_another_version_is_left_out_and_said(tmp_path: Path) -> None:
    store = write_fake_run(tmp_path)
    name_paper(store, "later")
    assert by_section(tables(load(store)))["paper"] == []
    assert write_with_problems(store.root).problems == (
        "The comparison with the paper 'later' is left out: the papers known here are breakingbed, robust-compression",
    )
