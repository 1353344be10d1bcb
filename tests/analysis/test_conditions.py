"""The grammar of --fail-if: what it reads, what it refuses, and when a change crosses it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brinell.analysis.compare.changes import CHANGE_SCHEMA, METRICS
from brinell.analysis.compare.conditions import crossed as is_crossed
from brinell.analysis.compare.conditions import parse, select
from brinell.core import BrinellError, ConfigurationError
from brinell.core.conditions import OPERATORS


def row(before: float | None, after: float | None) -> dict[str, Any]:
    change = None if before is None or after is None else after - before
    return {"before": before, "after": after, "change": change, "lacking": None}


def test_it_reads_what_the_issue_shows() -> None:
    found = parse("robust_accuracy < -0.02")
    assert (found.metric, found.operator, found.limit, found.percent) == ("robust_accuracy", "<", -0.02, False)
    assert (found.attack, found.variant) == (None, None)


def test_filters_quotes_percent_and_no_blanks() -> None:
    found = parse('robust_accuracy under pgd of "int8 (small)"<=-1e-2')
    assert (found.attack, found.variant, found.operator, found.limit) == ("pgd", "int8 (small)", "<=", -0.01)
    assert parse("encoded_bytes of 'a' > 5%").percent
    assert parse("macs of x under y >= +3").limit == 3.0
    assert parse('worst_case of "under" < 0').variant == "under"


@given(st.sampled_from(METRICS), st.sampled_from(sorted(OPERATORS)), st.floats(allow_nan=False, allow_infinity=False))
def test_every_metric_and_operator(metric: str, sign: str, limit: float) -> None:
    found = parse(f"{metric}{sign}{limit!r}")
    assert (found.metric, found.operator, found.limit) == (metric, sign, limit)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is no metric"),
        ("robust_acuracy < 0", "did you mean robust_accuracy"),
        ("robust_accuracy", "expected an operator"),
        ("robust_accuracy <", "expected an operator"),
        ("robust_accuracy < much", "'much' is no number"),
        ("robust_accuracy < nan", "is no number"),
        ("robust_accuracy < inf", "is no number"),
        ("robust_accuracy == 0", "expected an operator"),
        ("robust_accuracy < 0 and clean_accuracy < 0", "expected an operator"),
        ("robust_accuracy under < 0", "expected an operator"),
        ("robust_accuracy under pgd under fgsm < 0", "'under' stands twice; repeat --fail-if for another attack"),
        ("robust_accuracy of a under pgd of b < 0", "'of' stands twice; repeat --fail-if for another variant"),
        ("robust_accuracy of 'x < 0", "a quote that nothing ends"),
        ("__import__('os').system('ls') < 0", "is no metric"),
    ],
)
def test_what_it_refuses_it_refuses_clearly(text: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=r"--fail-if") as error:
        parse(text)
    assert words in str(error.value)
    assert "METRIC [under ATTACK]" in str(error.value)


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(BrinellError):
        parse(text)


@pytest.mark.parametrize(
    ("text", "before", "after", "crossed"),
    [
        ("robust_accuracy < -0.02", 0.5, 0.47, True),
        ("robust_accuracy < -0.02", 0.5, 0.49, False),
        ("robust_accuracy < -0.5", 0.5, 0.0, False),  # strictly less
        ("robust_accuracy <= -0.5", 0.5, 0.0, True),
        ("encoded_bytes > 5%", 1000.0, 1051.0, True),
        ("encoded_bytes > 5%", 1000.0, 1050.0, False),
        ("encoded_bytes > 5%", 0.0, 1.0, True),
        ("encoded_bytes > 5%", 0.0, 0.0, False),
        ("encoded_bytes > 100", 1000.0, 1051.0, False),
        ("robust_accuracy < -0.02", 0.5, None, True),  # gone: nobody can say that it held
        ("robust_accuracy < -0.02", None, 0.1, False),  # new
    ],
)
def test_when_it_is_crossed(text: str, before: float | None, after: float | None, crossed: bool) -> None:
    assert is_crossed(parse(text), row(before, after)) is crossed


def test_what_is_not_measured_whole_crosses_whatever_was_read() -> None:
    half = {**row(0.5, 0.5), "lacking": "250 of 500 examples are measured"}
    assert is_crossed(parse("robust_accuracy < -0.5"), half)
    assert is_crossed(parse("robust_accuracy < -0.5"), {**half, "before": None})
    assert is_crossed(parse("robust_accuracy < -0.5"), {**half, "before": None, "after": None})


def test_the_docs_name_every_metric() -> None:
    page = (Path(__file__).parents[2] / "docs" / "report.md").read_text()
    assert all(f"`{metric}`" in page for metric in METRICS)


def test_filters_choose_rows() -> None:
    rows = [
        {"metric": "robust_accuracy", "variant": variant, "attack": attack}
        for variant in ("net", "net-small")
        for attack in ("fgsm", "pgd")
    ]
    frame = pl.DataFrame([{**row, "metric": metric} for row in rows for metric in METRICS[:2]], schema=CHANGE_SCHEMA)
    assert len(select(parse("robust_accuracy < 0"), frame)) == 4
    assert len(select(parse("robust_accuracy under pgd < 0"), frame)) == 2
    assert len(select(parse("robust_accuracy under pgd of net < 0"), frame)) == 1
    assert len(select(parse('robust_accuracy of "net*" < 0'), frame)) == 4
    assert select(parse("robust_accuracy under bim < 0"), frame).is_empty()


def test_a_radius_chooses_its_rows() -> None:
    points = [("linf", 2 / 255), ("linf", 4 / 255), ("l2", 0.5)]
    rows = [{"metric": "worst_case", "variant": "net", "norm": norm, "epsilon": epsilon} for norm, epsilon in points]
    frame = pl.DataFrame(rows, schema=CHANGE_SCHEMA)
    assert select(parse("worst_case within 2/255 < 0"), frame)["epsilon"].to_list() == [2 / 255]
    assert select(parse("worst_case within 0.00784313725490196 < 0"), frame)["epsilon"].to_list() == [2 / 255]
    assert select(parse("worst_case within 0.5 l2 of net < 0"), frame)["norm"].to_list() == ["l2"]
    assert select(parse("worst_case within 0.5 < 0"), frame).is_empty()
    with pytest.raises(ConfigurationError, match="'much' is no radius"):
        parse("worst_case within much < 0")


def test_a_level_asks_for_significance_as_well() -> None:
    condition = parse("robust_accuracy under pgd < -0.01 at p < 0.05")
    assert (condition.limit, condition.attack, condition.level) == (-0.01, "pgd", 0.05)
    fallen = row(0.5, 0.4)
    assert is_crossed(condition, {**fallen, "p_value": 0.049})
    assert not is_crossed(condition, {**fallen, "p_value": 0.05})
    assert not is_crossed(condition, {**row(0.5, 0.495), "p_value": 0.001})
    assert is_crossed(parse("macs > 0 at p < 0.05"), {**row(1, 2), "p_value": None})  # counted, not tested
    for text, words in (
        ("at p < 2", "between 0 and 1"),
        ("at p < low", "is no number"),
        ("at p > 0.05", "expected an"),
    ):
        with pytest.raises(ConfigurationError, match=words):
            parse(f"robust_accuracy < -0.01 {text}")
