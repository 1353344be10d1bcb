"""Tables: every cell is a figure of the evaluation, or says that it is missing."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

from brinell.analysis import Evaluation, load
from brinell.reporting.formats import interval, percent
from brinell.reporting.layout import by_section
from brinell.reporting.table import Cell, Table
from brinell.reporting.tables import tables
from reporting.fake_run import half_finished, write_fake_run


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    return load(write_fake_run(tmp_path_factory.mktemp("run")))


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    store = write_fake_run(tmp_path_factory.mktemp("half"))
    half_finished(store)
    return load(store)


def row(table: Table, variant: str) -> dict[str, Cell]:
    (found,) = [cells for cells in table.rows if cells[0].variant == variant]
    return {column.text: cell for column, cell in zip(table.columns, found, strict=True)}


def test_accuracy_and_size(evaluation: Evaluation) -> None:
    (table,) = by_section(tables(evaluation))["variants"]
    found = row(table, "inq")
    worst = evaluation.worst.filter(
        (pl.col("variant") == "inq") & (pl.col("epsilon") == evaluation.reference_radius.epsilon)  # type: ignore[union-attr]
    ).to_dicts()[0]
    assert found["Robust"].text == percent(worst["robust_accuracy"])
    assert found["Robust"].note == interval(worst["robust_accuracy_low"], worst["robust_accuracy_high"])
    assert (found["File"].text, found["Ratio"].text, found["Ratio"].sort) == (
        "58.9\u202fkB",
        "5.46\u00d7",
        pytest.approx(322091 / 58944),
    )
    assert found["Robust against baseline"].text == "not distinguishable on n = 400"
    assert (row(table, "xnor")["Gradients"].text, row(table, "inq")["Gradients"].text) == ("may be masked", "no sign")
    assert row(table, "distilled")["Robust against baseline"].text == "+14.5 points"
    assert row(table, "baseline")["Robust against baseline"].text == "baseline"
    assert row(table, "xnor")["MACs"].note == "1.15\u202fM binary"
    assert row(table, "inq")["MACs"].note == ""


def test_an_attack_at_every_point(evaluation: Evaluation) -> None:
    fgsm, pgd = by_section(tables(evaluation))["attacks"]
    assert [column.text for column in fgsm.columns[1:]] == ["1/255", "2/255", "4/255", "8/255", "16/255", "Breaks at"]
    assert pgd.columns[4].text == "2/255, 20 steps"
    assert row(fgsm, "distilled")["Breaks at"].text == "not reached"
    assert row(fgsm, "distilled")["Breaks at"].note == "by 16/255"
    assert row(fgsm, "baseline")["Breaks at"].text == "14/255"
    assert "\u00b1" in row(pgd, "baseline")["8/255, 20 steps"].note
    assert "\u00b1" not in row(fgsm, "baseline")["8/255"].note


def test_comparisons_are_counted_on_the_same_examples(evaluation: Evaluation) -> None:
    (table,) = by_section(tables(evaluation))["comparison"]
    assert len(table.rows) == 4 * (1 + 5)
    assert {cells[3].text for cells in table.rows} == {"400"}
    assert table.frame.height == evaluation.pairs.height


def test_nothing_is_missing_from_a_whole_run(evaluation: Evaluation) -> None:
    (table,) = by_section(tables(evaluation))["coverage"]
    assert table.rows == ()
    assert table.caption.startswith("20 of 20 trials are complete.")


def test_what_is_missing_says_so(half: Evaluation) -> None:
    (table,) = by_section(tables(half))["variants"]
    failed = row(table, "inq")
    assert failed["Variant"].note == "failed: the loss is NaN in epoch 3"
    assert all(failed[name].missing for name in ("Clean", "Robust", "File", "Ratio", "MACs", "Robust against baseline"))
    fgsm, _ = by_section(tables(half))["attacks"]
    assert row(fgsm, "inq")["4/255"].missing


def test_what_is_missing_is_gathered_by_reason(half: Evaluation) -> None:
    (table,) = by_section(tables(half))["coverage"]
    rows = [[cell.text for cell in cells] for cells in table.rows]
    assert rows[0] == ["making it", "failed", "\u2013", "\u2013", "inq", "the loss is NaN in epoch 3"]
    assert ["pgd", "partial", "4", "50%", "baseline, distilled, pruned and xnor", "200 examples to go"] in rows
    assert ["fgsm", "blocked", "1", "0%", "inq", "waits for inq"] in rows
    assert table.frame.height == half.coverage.height


def test_rows_stand_in_the_studys_order(evaluation: Evaluation) -> None:
    for section in ("variants", "attacks"):
        for table in by_section(tables(evaluation))[section]:
            assert [cells[0].variant for cells in table.rows] == evaluation.variants["variant"].to_list()


def test_requirements_with_their_values_and_bounds(evaluation: Evaluation) -> None:
    texts = ("encoded_bytes of inq <= 1000", "clean_accuracy of inq >= -0.5", "worst_case within 1/255 of inq >= 0.01")
    required = replace(evaluation, plan=evaluation.plan.model_copy(update={"requirements": texts}))
    (table,) = by_section(tables(required))["requirements"]
    assert [cells[2].text for cells in table.rows] == ["not met", "met", "met"]
    assert [cells[5].text for cells in table.rows] == ["exact", "400 examples", "worst case, 1/255, 400 examples"]
    assert table.rows[0][3].text == "58,944"
    assert table.rows[1][3].text.endswith(" points")
    (table,) = by_section(tables(evaluation))["requirements"]
    assert table.rows == ()
