"""What may stand inside scripts, LaTeX and file names."""

from __future__ import annotations

import json
import math

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brinell.reporting import script_escape
from brinell.reporting.export import csv, exhibit_files, slug
from brinell.reporting.latex import escape, latex
from brinell.reporting.page import command
from brinell.reporting.table import Cell, Column, Gauge, Table

json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(json_like)
def test_data_says_the_same_and_cannot_end_its_element(value: object) -> None:
    text = script_escape.data(value)
    assert json.loads(text) == value
    assert "<" not in text


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_data_refuses_what_json_does_not_know(value: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        script_escape.data([value])


def test_the_command_is_one_line_that_a_shell_runs() -> None:
    assert command("a  b") == "brinell report 'a  b'"
    assert command("-dash") == "brinell report ./-dash"
    table = Table("t", "models", "Title", "Two\n lines.", (Column("A"),), ((Cell("1"),),), pl.DataFrame({"a": [1]}))
    said = exhibit_files(table, command("a  b"))["tables/t.tex"].decode().splitlines()
    assert said[:2] == ["% made by: brinell report 'a  b'", "% Two lines."]


def test_script_cannot_be_ended_by_its_strings() -> None:
    code = script_escape.script("a = '</script>'; b = '</SCRIPT>'; c = '<!--'; d = 1 </x/.exec(s)")
    assert "</script" not in code.lower()
    assert "<!--" not in code
    assert code.endswith("d = 1 </x/.exec(s)")


def test_digest_is_what_browsers_compute() -> None:
    # The example of the CSP specification (W3C, Content Security Policy Level 3).
    assert script_escape.digest("alert('Hello, world.');") == "sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng="


@given(st.text(), st.text())
def test_slugs_are_safe_and_differ(one: str, other: str) -> None:
    for name in (slug(one), slug(other)):
        assert len(name) < 100
        assert not name.startswith(".")
        assert name
        assert not set(name) - set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.+-_")
    assert (slug(one) == slug(other)) == (one == other)


def test_plain_names_keep_theirs() -> None:
    assert slug("attack-pgd") == "attack-pgd"


def test_latex_escapes_and_leaves_out_what_is_drawn() -> None:
    gauge = Gauge(0.9, 0.5, 0.4, 0.6, 0.1)
    table = Table(
        name="t",
        section="models",
        title="T",
        caption="100% of {it}",
        columns=(Column("A_b", numeric=False), Column("drawn", numeric=False), Column("C", below="5 steps")),
        rows=((Cell("x & y", variant="x & y", note="left out"), Cell("", gauge=gauge), Cell("1", note="a\nb")),),
        frame=pl.DataFrame(),
    )
    text = latex(table)
    assert r"\caption{100\% of \{it\}}" in text
    assert r"\begin{tabular}{lr}" in text
    assert r"A\_b & C, 5 steps \\" in text
    assert r"x \& y & 1 (a b) \\" in text
    assert escape("\\^~") == r"\textbackslash{}\textasciicircum{}\textasciitilde{}"


def test_csv_joins_lists_and_leaves_unknown_empty() -> None:
    frame = pl.DataFrame({"a": [["x", "y"], None], "b": [1.0, None]})
    assert csv(frame) == "a,b\nx y,1.0\n,\n"
