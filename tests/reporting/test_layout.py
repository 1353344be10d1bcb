"""The page's sections: exhibits name theirs, and members of other packages find their place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path

import altair as alt
import polars as pl
import pytest

from brinell.analysis import Evaluation
from brinell.core import ConfigurationError, plugins
from brinell.core.plugins import MemberList
from brinell.reporting import write
from brinell.reporting.drawing.chart import Figure, Panel
from brinell.reporting.drawing.palette import Style
from brinell.reporting.figures import FIGURES
from brinell.reporting.layout import SECTIONS, by_section, exhibit_groups
from brinell.reporting.table import Cell, Column, Table
from brinell.reporting.tables import TABLES

from .fake_run import write_fake_run

TABLE = Table(
    name="favourites",
    section="models",
    title="Favourites of another package",
    caption="A table that no file of the project knows.",
    columns=(Column("Name", numeric=False),),
    rows=((Cell("one"),),),
    frame=pl.DataFrame({"name": ["one"]}),
    order=9,
)


def table(evaluation: Evaluation) -> Table:
    return TABLE


def figure(evaluation: Evaluation, styles: Mapping[str, Style]) -> Figure:
    spec = alt.Chart(alt.Data(values=[{"x": 1}])).mark_point().encode(x="x:Q").to_dict()
    panels = (Panel("", spec),)
    return Figure(
        "strangers-figure", "training", "A stranger's figure", "Read it.", "Made so.", "One point.", panels, panels,
        pl.DataFrame({"x": [1]}),
    )  # fmt: skip


def test_a_section_keeps_the_order_of_its_exhibits() -> None:
    first, second = replace(TABLE, name="a", order=2), replace(TABLE, name="b", order=1)
    assert [member.name for member in by_section([first, second])["models"]] == ["b", "a"]
    assert list(by_section([])) == list(SECTIONS)
    assert exhibit_groups([replace(TABLE, rows=())]) == []


def test_an_exhibit_in_no_section_is_an_error() -> None:
    with pytest.raises(
        ConfigurationError, match="table 'favourites' is in no section of the page: 'modles'; did you mean 'models'"
    ):
        exhibit_groups([replace(TABLE, section="modles")])


def test_registered_members_reach_the_page_and_the_files(tmp_path: Path) -> None:
    FIGURES.register(figure)
    TABLES.register(table)
    try:
        page = write(write_fake_run(tmp_path).root)
    finally:
        FIGURES.unregister(figure)
        TABLES.unregister(table)
    text = page.read_text()
    assert "Favourites of another package" in text
    assert "A stranger&#39;s figure" in text
    assert (page.parent / "tables/favourites.csv").read_text() == "name\none\n"
    assert (page.parent / "figures/strangers-figure.svg").is_file()


def test_entry_points_are_members(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"brinell.tables": [EntryPoint("mine", f"{__name__}:table", "brinell.tables")]}
    monkeypatch.setattr(plugins, "entry_points", lambda group: found.get(group, []))
    assert [*MemberList("brinell.tables", "ours")] == ["ours", table]


def test_an_entry_point_that_fails_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = EntryPoint("mine", "no_such_module:table", "brinell.tables")
    monkeypatch.setattr(plugins, "entry_points", lambda group: [broken])
    with pytest.raises(
        ConfigurationError, match=r"'no_such_module:table' under 'brinell\.tables', which cannot be imported"
    ):
        list(MemberList("brinell.tables"))
