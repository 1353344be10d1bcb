"""Variants of several seeds: one row with mean, deviation and range, and no lucky seed in the headline."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from statistics import fmean, stdev

import pytest

from brinell.analysis import Evaluation, load
from brinell.cli.display.run_summary import print_table
from brinell.reporting import write
from brinell.reporting.formats import percent
from brinell.reporting.layout import by_section
from brinell.reporting.seed_rows import with_seed_rows
from brinell.reporting.summary import summary
from brinell.reporting.tables import tables
from brinell.store import RunStore
from reporting.fake_run import BASELINE, FAKES, write_fake_run

NAMES = {"pruned": ("pruned (seed 0)", "pruned (seed 1)", "pruned (seed 2)")}


def write_run(root: Path) -> RunStore:
    """A baseline, a variant of one seed, and a smaller one of three, of which one is lucky."""
    pruned = replace(FAKES[2], name="pruned-0", encoded_bytes=40_000, clean=0.90, radius=3.0)
    lucky = replace(pruned, name="pruned-1", clean=BASELINE.clean, radius=1.2 * BASELINE.radius)
    steady = replace(FAKES[4], name="steady", clean=BASELINE.clean, radius=BASELINE.radius)
    store = write_fake_run(root, (BASELINE, steady, pruned, lucky, replace(pruned, name="pruned-2")))
    plan = store.plan()
    seeded = [
        variant.model_copy(update={"name": "pruned", "seed": int(variant.name[-1])})
        if variant.name.startswith("pruned")
        else variant
        for variant in plan.variants
    ]
    store.write_study("", plan.model_copy(update={"variants": tuple(seeded)}), {})
    return store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    return write_run(tmp_path_factory.mktemp("seeds"))


@pytest.fixture(scope="module")
def evaluation(store: RunStore) -> Evaluation:
    return load(store)


def test_the_headline_picks_no_lucky_seed(evaluation: Evaluation) -> None:
    (choice,) = evaluation.choices
    assert choice.variant == "steady"
    (lead,) = summary(evaluation).lead
    assert "".join(map(str, lead)).startswith("steady is the best trade-off")


def test_what_is_chosen_of_several_trainings_is_said_as_a_mean(evaluation: Evaluation) -> None:
    kept = evaluation.variants.filter(evaluation.variants["variant"] != "steady")
    (lead,) = summary(replace(evaluation, variants=kept)).lead
    text = "".join(map(str, lead))
    assert "pruned is nearest" in text
    assert "(means of 3 trainings)" in text
    assert "of 3 trainings, n = 400)" in text


def test_a_row_has_mean_deviation_and_range(evaluation: Evaluation) -> None:
    (table,) = by_section(tables(evaluation))["variants"]
    found = with_seed_rows(table, NAMES)
    heads = [row[0].text for row in found.rows]
    assert heads == ["baseline", "steady", "pruned", *NAMES["pruned"]]
    assert [row[0].text for row in found.summary_rows] == ["baseline", "steady", "pruned"]
    clean = evaluation.variants.filter(evaluation.variants["variant"].is_in(NAMES["pruned"]))[
        "clean_accuracy"
    ].to_list()
    cells = dict(zip([column.title for column in found.columns], found.rows[2], strict=True))
    assert cells["Variant"].note.endswith("3 trainings")
    assert cells["Clean"].text == percent(fmean(clean))
    assert cells["Clean"].note == f"\u00b1 {percent(stdev(clean))}\n{percent(min(clean))} to {percent(max(clean))}"
    assert cells["Robust against baseline"].note.splitlines()[-1] in (
        "2 worse, 1 better",
        "2 worse, 1 not distinguishable",
    )
    assert cells["File"].text == "40.0\u202fkB"


def test_tables_with_several_rows_a_training_stay(evaluation: Evaluation) -> None:
    (comparison,) = by_section(tables(evaluation))["comparison"]
    assert with_seed_rows(comparison, NAMES) is comparison


def test_page_and_command_line_show_one_row(store: RunStore, capsys: pytest.CaptureFixture[str]) -> None:
    page = write(store.root).read_text()
    assert 'class="training" hidden' in page
    assert "Each training" in page
    print_table(store.root)
    printed = capsys.readouterr().out
    assert sum(line.startswith("pruned") for line in printed.splitlines()) == 1
    assert "mean ± standard deviation over up to 3 trainings" in printed
    assert "worst case over fgsm and pgd on 400 examples" in printed
