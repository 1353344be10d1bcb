"""Variants look apart, and the same everywhere."""

from __future__ import annotations

import itertools

import polars as pl
import pytest

from brinell.reporting.drawing.palette import COLOURS, LIGHT, SHAPES, styles
from brinell.reporting.drawing.theme import CONFIG, resolve_colours
from brinell.reporting.page import GLYPHS


def variants(count: int) -> pl.DataFrame:
    return pl.DataFrame({"variant": [f"v{n}" for n in range(count)], "baseline": ["v0"] * count})


@pytest.mark.parametrize("count", [1, 2, 7, 43])
def test_no_two_variants_share_colour_and_shape(count: int) -> None:
    assert len(set(styles(variants(count)).values())) == count


def test_neighbours_differ_in_both() -> None:
    look = list(styles(variants(30)).values())[1:]
    assert all(a.colour != b.colour and a.shape != b.shape for a, b in itertools.pairwise(look))


def test_baselines_are_ink_and_tell_each_other_by_shape() -> None:
    frame = pl.DataFrame({"variant": ["a", "b", "c"], "baseline": ["a", "b", "a"]})
    look = styles(frame)
    assert (look["a"].colour, look["b"].colour) == ("ink", "ink")
    assert look["a"].shape != look["b"].shape
    assert look["c"].colour in COLOURS


def test_every_shape_has_a_glyph() -> None:
    assert set(SHAPES) == set(GLYPHS)


def test_files_hold_no_css_variables() -> None:
    found = resolve_colours({"config": CONFIG, "a": ["var(--ink)", {"b": "var(--sky)"}], "name": "var(--unknown)"})
    assert found["a"] == [LIGHT["ink"], {"b": LIGHT["sky"]}]
    assert found["name"] == "var(--unknown)"
    assert "var(--" not in str(found["config"])
