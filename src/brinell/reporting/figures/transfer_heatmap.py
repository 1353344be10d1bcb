"""Vulnerability heat maps (robustness paper, figure 2): made on one network, judged on another; top-1 and top-5."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from brinell.analysis import Evaluation
from brinell.reporting.describe import describe_attacks
from brinell.reporting.drawing.chart import HIDDEN, ROWS, Figure, Panel, PickOption, panel, shown
from brinell.reporting.drawing.palette import Style
from brinell.reporting.formats import point, radius

CELL, ROOM, LABEL = 34, 70, 150
"""Pixels of a row, of what stands round the rows, and of the labels."""
TOPS = (("vulnerability", "Drop in top-1 accuracy"), ("top5_vulnerability", "Drop in top-5 accuracy"))


def figure(evaluation: Evaluation, styles: Mapping[str, Style]) -> Figure | None:
    """A map of each accuracy, for every attack and radius that was transferred; `None` where none was."""
    every = evaluation.transfers.drop_nulls("vulnerability")
    if every.is_empty():
        return None
    rows = [_row(row) for row in every.iter_rows(named=True)]
    picks = list(dict.fromkeys(row["at"] for row in rows))
    picked = _first(evaluation, picks)
    order = [name for name in evaluation.variants["variant"] if name in every["source"] or name in every["target"]]
    chosen = [row for row in rows if row["at"] == picked]
    return Figure(
        name="vulnerability",
        section="transfer",
        title="Vulnerability across networks",
        reading="The share of its clean accuracy that the network in the column loses to adversarial examples made "
        "on the network "
        "in the row: 0 is no loss, 1 is a loss of all. On the diagonal the attack is white-box.",
        made=describe_attacks(evaluation, list(dict.fromkeys(every["attack"]))),
        alt="Heat maps of vulnerability, sources in rows, targets in columns.",
        panels=tuple(_panel(title, field, rows, order, page=True) for field, title in TOPS),
        sheet=tuple(_panel(f"{title}, {picked}", field, chosen, order, page=False) for field, title in TOPS),
        frame=every,
        height=ROOM + CELL * len(order),
        width=max(320, 50 * len(order)),
        picks=tuple(PickOption(pick, pick) for pick in picks),
        picked=picked,
        pick_title="Attack",
    )


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "variant": row["target"],
        "source": row["source"],
        "at": f"{row['attack']} {point(row['epsilon'], row['steps'], row['norm'])}",
        "vulnerability": row["vulnerability"],
        "top5_vulnerability": row["top5_vulnerability"],
        "accuracy": row["accuracy"],
        "top5_accuracy": row["top5_accuracy"],
        "examples": row["examples"],
    }


def _first(evaluation: Evaluation, picks: Sequence[str]) -> str:
    if evaluation.reference_radius is not None:
        part = f" {radius(evaluation.reference_radius.epsilon, evaluation.reference_radius.norm)}"
        return next((pick for pick in picks if pick.endswith(part) or f"{part}," in pick), picks[-1])
    return picks[-1]


def _panel(title: str, field: str, rows: Sequence[Mapping[str, Any]], order: list[str], *, page: bool) -> Panel:
    axis: dict[str, Any] = {"domain": False, "labelLimit": LABEL, "grid": False}
    x = alt.X(
        "variant:N",
        title="judged on",
        sort=order,
        axis=alt.Axis(orient="top", labelAngle=-40, titleAnchor="start", **axis),
    )
    y = alt.Y("source:N", title=None, sort=order, axis=alt.Axis(minExtent=0, maxExtent=LABEL, **axis))
    base = alt.Chart().encode(x=x, y=y)
    tooltip = [
        alt.Tooltip("source:N", title="made on"),
        alt.Tooltip("variant:N", title="judged on"),
        alt.Tooltip(f"{field}:Q", title="vulnerability", format=".3f"),
        alt.Tooltip("accuracy:Q", title="top-1 left", format=".1%"),
        alt.Tooltip("top5_accuracy:Q", title="top-5 left", format=".1%"),
        alt.Tooltip("examples:Q", format=","),
    ]
    cells = base.mark_rect(stroke="var(--paper)", strokeWidth=2).encode(
        color=alt.ColorValue("var(--vermillion)"),
        opacity=alt.Opacity(f"{field}:Q", scale=alt.Scale(domain=[0, 1], range=[0.05, 0.85], clamp=True), legend=None),
        tooltip=tooltip if page else [],
    )
    texts = base.mark_text(fontSize=11).encode(
        text=alt.Text(f"{field}:Q", format=".2f"), color=alt.ColorValue("var(--ink)")
    )
    chart = shown(alt.layer(cells, texts, data=ROWS), at=page)
    return panel(title, chart.transform_filter(f"indexof({HIDDEN}, datum.source) < 0"), rows)
