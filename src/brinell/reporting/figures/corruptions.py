"""Accuracy on corrupted images, by corruption and by severity (CIFAR-10-C and ImageNet-C)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import polars as pl

from brinell.analysis import Evaluation
from brinell.reporting.drawing.chart import ROWS, Figure, Panel, breaking_rule, hit_area, opacity, panel, scales, shown
from brinell.reporting.drawing.palette import Style
from brinell.reporting.formats import listing, pluralize
from brinell.reporting.tables.corruptions import frame

CLEAN = "clean"


def figure(evaluation: Evaluation, styles: Mapping[str, Style]) -> Figure | None:
    """One panel by corruption, one by severity; `None` where no variant was probed."""
    every = frame(evaluation)
    if every.is_empty():
        return None
    corruptions = list(dict.fromkeys(every["corruption"]))
    parts = (
        ("By corruption, mean over severities", _by(every, "corruption"), [CLEAN, *map(_words, corruptions)], -40),
        ("By severity, mean over corruptions", _by(every, "severity"), [CLEAN, *map(str, range(1, 6))], 0),
    )
    examples = listing([f"{count:,}" for count in sorted(set(every["examples"]))])
    sets = listing(list(dict.fromkeys(every["settings"])))
    return Figure(
        name="corruptions",
        section="corruptions",
        title="On corrupted images",
        reading="The share of images that is classified correctly. Corruptions are no attacks: they are not part of "
        "the worst case.",
        made=f"{examples} images, {pluralize(len(corruptions), 'corruption')}, severities of {sets}.",
        alt="Accuracy on corrupted images, one panel by corruption and one by severity, one mark for each variant.",
        panels=tuple(_panel(*part, evaluation.line, styles, legend=False) for part in parts),
        sheet=tuple(_panel(*part, evaluation.line, styles, legend=True) for part in parts),
        frame=every,
        height=320,
    )


def _words(corruption: str) -> str:
    return corruption.replace("_", " ")


def _by(every: pl.DataFrame, column: str) -> list[dict[str, Any]]:
    """Mean accuracies by variant and `column`, and those on clean images."""
    clean = every.group_by("variant", maintain_order=True).agg(pl.col("clean_accuracy").first())
    rows = [{"variant": name, "place": CLEAN, "accuracy": value} for name, value in clean.iter_rows()]
    means = every.group_by("variant", column, maintain_order=True).agg(pl.col("accuracy").mean())
    rows += [
        {"variant": name, "place": _words(str(value)), "accuracy": accuracy} for name, value, accuracy in means.rows()
    ]
    return rows


def _panel(
    title: str,
    rows: Sequence[Mapping[str, Any]],
    places: list[str],
    angle: int,
    line: float,
    styles: Mapping[str, Style],
    *,
    legend: bool,
) -> Panel:
    keys = scales(styles, legend=legend)
    x = alt.X("place:N", title=None, sort=places, axis=alt.Axis(labelAngle=angle, grid=True, labelLimit=120))
    y = alt.Y("accuracy:Q", title="accuracy", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format=".0%", tickCount=5))
    base = alt.Chart().encode(x=x, y=y, color=keys["color"])
    tooltip = [
        alt.Tooltip("variant:N"),
        alt.Tooltip("place:N", title="images"),
        alt.Tooltip("accuracy:Q", format=".1%"),
    ]
    lines = base.mark_line(strokeWidth=1.2, strokeJoin="round").encode(opacity=opacity(0.5))
    dots = base.mark_point(filled=True, size=56, stroke="var(--paper)", strokeWidth=1).encode(
        shape=keys["shape"], opacity=opacity()
    )
    marks = alt.layer(lines, dots, *hit_area(base, 200, tooltip, legend=legend), data=ROWS)
    return panel(title, alt.layer(breaking_rule(line), shown(marks, at=False)), rows)
