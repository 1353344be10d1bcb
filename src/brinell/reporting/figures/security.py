"""Security curves: accuracy against the distance that a minimum-norm attack had to go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import polars as pl

from brinell.analysis import Evaluation
from brinell.reporting.describe import describe_attacks, group_by_baseline
from brinell.reporting.drawing.chart import ROWS, Figure, Panel, breaking_rule, hit_area, opacity, panel, scales, shown
from brinell.reporting.drawing.palette import Style
from brinell.reporting.formats import MISSING

MARKS = 6
"""Points marked on a curve, so that it can be told by shape."""


def figure(evaluation: Evaluation, styles: Mapping[str, Style]) -> Figure | None:
    """One panel an attack and a network; `None` where no attack sought the nearest adversarial."""
    every = evaluation.security
    parts = [
        (f"{attack}{f' on {network}' if network else ''}", rows, str(norm))
        for (attack, norm), frame in every.group_by("attack", "norm", maintain_order=True)
        for network, family in group_by_baseline(evaluation)
        if (rows := _rows(frame.filter(pl.col("variant").is_in(family))))
    ]
    if not parts:
        return None
    line = evaluation.line
    return Figure(
        name="security-curves",
        section="security-curves",
        title="How near is the nearest",
        reading="The share of examples for which the attack found no adversarial example within the distance. A "
        "curve further to the right is more robust; misclassified clean examples are at distance 0.",
        made=describe_attacks(evaluation, list(dict.fromkeys(every["attack"]))),
        alt="Accuracy over distance, one panel for each attack, one line for each variant.",
        panels=tuple(_panel(title, rows, norm, line, styles, legend=False) for title, rows, norm in parts),
        sheet=tuple(_panel(title, rows, norm, line, styles, legend=True) for title, rows, norm in parts),
        frame=every,
    )


def _rows(frame: pl.DataFrame) -> list[dict[str, Any]]:
    rows = []
    for (_,), curve in frame.group_by("variant", maintain_order=True):
        stride = max(1, len(curve) // MARKS)
        for place, row in enumerate(curve.iter_rows(named=True)):
            median = MISSING if row["median"] is None else f"{row['median']:.3g}"
            rows.append({**row, "median": median, "marked": place % stride == stride // 2})
    return rows


def _panel(
    title: str,
    rows: Sequence[Mapping[str, Any]],
    norm: str,
    line: float,
    styles: Mapping[str, Style],
    *,
    legend: bool,
) -> Panel:
    keys = scales(styles, legend=legend)
    unit, factor = ("/255", 255) if norm == "linf" else ("", 1)
    label = f"format(datum.value * {factor}, '~g') + (datum.value === 0 ? '' : '{unit}')"
    x = alt.X(
        "distance:Q",
        title=f"{norm} distance",
        axis=alt.Axis(tickCount=6, labelExpr=label),
        scale=alt.Scale(nice=False),
    )
    y = alt.Y("accuracy:Q", title="accuracy", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format=".0%", tickCount=5))
    base = alt.Chart().encode(x=x, y=y, color=keys["color"])
    tooltip = [
        alt.Tooltip("variant:N"),
        alt.Tooltip("distance:Q", format=".3g"),
        alt.Tooltip("accuracy:Q", format=".1%"),
        alt.Tooltip("median:N", title="median distance"),
        alt.Tooltip("examples:Q", format=","),
        alt.Tooltip("runs:Q"),
    ]
    lines = base.mark_line(strokeWidth=1.8, strokeJoin="round").encode(opacity=opacity())
    dots = (
        base.transform_filter("datum.marked")
        .mark_point(filled=True, size=46, stroke="var(--paper)", strokeWidth=1)
        .encode(shape=keys["shape"], opacity=opacity())
    )
    marks = alt.layer(lines, dots, *hit_area(base, 200, tooltip, legend=legend), data=ROWS)
    return panel(title, alt.layer(breaking_rule(line), shown(marks, at=False)), rows)
