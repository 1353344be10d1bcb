"""The compression stress-strain graph: share of accuracy that is lost against compression, one line a family."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import altair as alt
import polars as pl

from brinell.analysis import Evaluation
from brinell.analysis.limit_breaking import ALL_CONDITIONS, CLEAN_CONDITIONS, limit_breaking
from brinell.analysis.limit_results import limit_results
from brinell.analysis.significance.intervals import wilson
from brinell.reporting.drawing.chart import ROWS, Figure, Panel, hit_area, panel, ratio_axis
from brinell.reporting.drawing.palette import COLOURS, SHAPES, Style

_SIDES: Final = (("clean_accuracy", "clean accuracy"), ("attacked_accuracy", "accuracy under the screening attack"))


def figure(evaluation: Evaluation, styles: Mapping[str, Style]) -> Figure | None:
    """One panel for clean and one for attacked accuracy of each limit; `None` where nothing was tried."""
    found = limit_results(evaluation)
    parts = [
        (f"{limit}: {title}", rows)
        for (limit,), frame in found.group_by("limit", maintain_order=True)
        for column, title in _SIDES
        if (rows := _rows(frame, column, limit_breaking(frame)))
    ]
    if not parts:
        return None
    return Figure(
        name="compression-strain",
        section="limits",
        title="How far it can be compressed",
        reading="Strain is the share of the baseline's accuracy that a network loses: 0 is no loss, below 0 a gain. A "
        "family whose line stays low bears compression well. A filled mark is the smallest confirmed network of its "
        "family: every condition is met up to there. A dashed line reaches from the largest ratio that keeps the "
        "conditions (on clean accuracy, or all of them) to the next that does not: the breaking point lies between.",
        made="Each mark is a network that a search made; bars are the Wilson 95% interval of its accuracy.",
        alt="Strain over the compression ratio, one line for each family.",
        panels=tuple(_panel(title, rows, legend=False) for title, rows in parts),
        sheet=tuple(_panel(title, rows, legend=True) for title, rows in parts),
        frame=pl.DataFrame([row for _, rows in parts for row in rows], infer_schema_length=None),
        order=0,
    )


def _rows(frame: pl.DataFrame, column: str, breaking: pl.DataFrame) -> list[dict[str, Any]]:
    """Marks of one panel, the least compressed first; networks without the accuracy or the ratio have none."""
    rows = []
    for row in frame.sort("family", "ratio", maintain_order=True).iter_rows(named=True):
        value, base = row[column], row[f"baseline_{column}"]
        if value is None or not base or not row["ratio"]:
            continue
        examples = row["attacked_examples"] if column == "attacked_accuracy" else row["clean_examples"]
        low, high = wilson(value, examples or 0) or (value, value)
        rows.append(
            {
                "limit": row["limit"],
                "family": row["family"],
                "variant": row["variant"],
                "numbers": row["numbers"],
                "accuracy": column,
                "ratio": row["ratio"],
                "strain": 1 - value / base,
                "low": 1 - high / base,
                "high": 1 - low / base,
                "smallest": row["smallest"],
                "broken": None,
            }
        )
    conditions = CLEAN_CONDITIONS if column == "clean_accuracy" else ALL_CONDITIONS
    for found in breaking.filter(pl.col("conditions") == conditions).iter_rows(named=True):
        for row in rows:
            if row["family"] == found["family"] and row["ratio"] == found["kept_ratio"]:
                row["broken"] = found["broken_ratio"]
    return rows


def _panel(title: str, rows: list[dict[str, Any]], *, legend: bool) -> Panel:
    families = list(dict.fromkeys(row["family"] for row in rows))
    colours = [f"var(--{name})" for name in COLOURS]
    # On the page, too: families are no variants, which the page's own legend shows.
    key = alt.Legend(title=None, orient="bottom")
    x = ratio_axis("compression ratio", [row["ratio"] for row in rows])
    y = alt.Y("strain:Q", title="strain", axis=alt.Axis(format=".2f", tickCount=5))
    colour = alt.Color(
        "family:N",
        scale=alt.Scale(domain=families, range=[colours[place % len(colours)] for place in range(len(families))]),
        legend=key,
    )
    shape = alt.Shape(
        "family:N",
        scale=alt.Scale(domain=families, range=[SHAPES[place % len(SHAPES)] for place in range(len(families))]),
        legend=key,
    )
    base = alt.Chart().encode(x=x, y=y, color=colour)
    lines = base.mark_line(strokeWidth=1.5)
    bars = base.mark_rule(strokeWidth=1, opacity=0.45).encode(y=alt.Y("low:Q"), y2=alt.Y2("high:Q"))
    dots = base.mark_point(size=55, fill="var(--paper)", strokeWidth=1.6).encode(shape=shape)
    smallest = base.transform_filter("datum.smallest").mark_point(size=130, filled=True, opacity=1).encode(shape=shape)
    broken = (
        base.transform_filter("isValid(datum.broken)")
        .mark_rule(strokeWidth=2, strokeDash=[3, 3])
        .encode(x2=alt.X2("broken:Q"))
    )
    tooltip = [
        alt.Tooltip("variant:N"),
        alt.Tooltip("numbers:N"),
        alt.Tooltip("ratio:Q", format=".3g"),
        alt.Tooltip("strain:Q", format=".3f"),
    ]
    marks = (lines, bars, broken, dots, smallest)
    chart = alt.layer(*marks, *hit_area(base, 300, tooltip, legend=legend), data=ROWS)
    return panel(title, chart, rows)
