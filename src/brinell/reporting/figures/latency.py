"""How long a batch takes: the median of the runs with their middle half, in every runtime that a variant has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import polars as pl

from brinell.analysis import Evaluation
from brinell.analysis.records.probes import Latency
from brinell.reporting.drawing.chart import ROWS, Figure, Panel, hit_area, log_ticks, opacity, panel, scales, shown
from brinell.reporting.drawing.palette import Style
from brinell.reporting.formats import MISSING, NOTHING, elided, listing, pluralize, three
from brinell.reporting.speed_up import latency_frame
from brinell.reporting.tables.costs.latency import machines

LINE, ROOM = 34, 60
"""Pixels of a reading, and of what stands round them."""


def figure(evaluation: Evaluation, styles: Mapping[str, Style]) -> Figure | None:
    """One panel a batch size (and a machine, where there are several); `None` where no latency was measured."""
    every = latency_frame(evaluation).filter(pl.col("median_ms") > 0)
    if every.is_empty():
        return None
    several = len(machines(evaluation)) > 1
    rows = [_row(row, several=several) for row in every.iter_rows(named=True)]
    asked = evaluation.unanswered.filter(kind=Latency.kind)["variant"].to_list()
    titles = dict.fromkeys(row["panel"] for row in rows)
    parts = [(title, _lines([row for row in rows if row["panel"] == title], asked, list(styles))) for title in titles]
    runs = sorted(set(every["runs"]))
    counts = pluralize(runs[0], "run") if len(runs) == 1 else f"{runs[0]} to {pluralize(runs[-1], 'run')}"
    return Figure(
        name="latency",
        section="latency",
        title="How long a batch takes",
        reading="The point is the median of the runs, the bar their middle half, from the first to the third quartile. "
        "Equal distances are equal factors.",
        made=f"{counts} after three warm-up runs, on {listing(machines(evaluation))}. The order may differ on "
        "other machines.",
        alt="Milliseconds a batch, one panel for each batch size, one line for each variant and runtime.",
        panels=tuple(_panel(title, lines, styles, legend=False) for title, lines in parts),
        sheet=tuple(_panel(title, lines, styles, legend=True) for title, lines in parts),
        frame=every,
        height=ROOM + LINE * max(len(lines) for _, lines in parts),
    )


def _row(row: Mapping[str, Any], *, several: bool) -> dict[str, Any]:
    where = f" on {row['machine']}, {pluralize(row['threads'], 'thread')}" if several else ""
    known = (row["low_ms"] or 0) > 0 and (row["high_ms"] or 0) > 0
    span = f"{three(row['low_ms'])}{NOTHING}{three(row['high_ms'])}" if known else MISSING
    return {
        **row,
        "panel": f"Batch of {row['batch']:,}{where}",
        "known": known,
        "said": f"{three(row['median_ms'])} ms",
        "span": span,
    }


def _lines(rows: Sequence[dict[str, Any]], asked: Sequence[str], order: Sequence[str]) -> list[dict[str, Any]]:
    """A line for each reading, and one for each variant that has none yet, in the picker's order."""
    runtimes = len({row["runtime"] for row in rows})
    empty = [{"variant": name, "said": MISSING} for name in asked if name in order]
    found = sorted([*rows, *empty], key=lambda row: order.index(row["variant"]))
    for place, row in enumerate(found):
        runtime = f" · {row['runtime']}" if runtimes > 1 and "runtime" in row else ""
        row |= {"line": place, "label": f"{elided(row['variant'], 30)}{runtime}\u2003{row['said']}"}
    return found


def _panel(title: str, rows: Sequence[Mapping[str, Any]], styles: Mapping[str, Style], *, legend: bool) -> Panel:
    keys = scales(styles, legend=legend)
    ends = [row[side] for row in rows for side in ("low_ms", "median_ms", "high_ms") if (row.get(side) or 0) > 0]
    low, high = min(ends), max(ends)
    x = alt.X(
        "median_ms:Q",
        title="milliseconds, logarithmic",
        scale=alt.Scale(type="log", domain=[low / 1.35, high * 1.35], nice=False),
        axis=alt.Axis(values=log_ticks(low / 1.35, high * 1.35), format="~g", labelOverlap="greedy", grid=True),
    )
    y = alt.Y("line:N", axis=None)
    every = alt.Chart().encode(y=y)
    base = every.transform_filter("isValid(datum.median_ms)").encode(x=x, color=keys["color"])
    tooltip = [
        alt.Tooltip("variant:N"),
        alt.Tooltip("runtime:N"),
        alt.Tooltip("batch:Q", format=","),
        alt.Tooltip("said:N", title="median"),
        alt.Tooltip("span:N", title="middle half, ms"),
        alt.Tooltip("runs:Q"),
        alt.Tooltip("machine:N"),
        alt.Tooltip("threads:Q"),
    ]
    bars = (
        base.transform_filter("datum.known")
        .mark_rule(strokeWidth=5, strokeCap="round", yOffset=6)
        .encode(x=alt.X("low_ms:Q"), x2=alt.X2("high_ms:Q"), opacity=opacity(0.4))
    )
    dots = base.mark_point(filled=True, size=80, stroke="var(--paper)", strokeWidth=1, yOffset=6).encode(
        shape=keys["shape"], opacity=opacity()
    )
    texts = [_text(every, halo=halo) for halo in (True, False)]
    hits = hit_area(base, 400, tooltip, legend=legend)
    return panel(title, shown(alt.layer(*texts, bars, dots, *hits, data=ROWS), at=False), rows)


def _text(base: Any, *, halo: bool) -> Any:
    """What each line is, above its mark; a halo of paper keeps the grid out of the letters."""
    look: dict[str, Any] = {"color": "var(--ink)"}
    if halo:
        look = {"color": "var(--paper)", "stroke": "var(--paper)", "strokeWidth": 4}
    mark = base.mark_text(align="left", baseline="middle", dy=-7, fontSize=11.5, **look)
    return mark.encode(x=alt.value(0), text=alt.Text("label:N"), opacity=opacity())
