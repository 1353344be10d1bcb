"""Box plots (BreakingBED, figure 4): what a technique is left with, over all strengths and networks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import Any

import altair as alt
import polars as pl

from brinell.analysis import UNCOMPRESSED, Evaluation
from brinell.reporting.describe import describe_attacks
from brinell.reporting.drawing.chart import ROWS, Figure, Panel, opacity, panel, scales, shown
from brinell.reporting.drawing.palette import Style
from brinell.reporting.formats import radius

LETTERS = 28
"""Of a technique's name in a line."""
BAR, ROOM = 34, 60
"""Pixels of a technique's row, and of what stands round the rows."""


def figure(evaluation: Evaluation, styles: Mapping[str, Style]) -> Figure | None:
    """One panel an attack; the boxes are of those readings whose variants are shown. `None` before any is read."""
    found = _rows(evaluation)
    order = _lines(sorted({row["technique"]: None for row in found}, key=lambda name: name != UNCOMPRESSED))
    every = [{**row, "technique": order[row["technique"]]} for row in found]
    parts = [
        (attack, [row for row in every if row["attack"] == attack])
        for attack in evaluation.stresses
        if any(row["attack"] == attack for row in every)
    ]
    if not parts:
        return None
    line = evaluation.line
    return Figure(
        name="distributions",
        section="distributions",
        title="By technique",
        reading="Each box shows accuracies of a technique over all strengths, numbers of steps and networks: "
        "quartiles, median, and range. Points are the readings. A box depends on the swept settings; compare "
        "boxes within one panel only.",
        made=describe_attacks(evaluation, [attack for attack, _ in parts]),
        alt="Box plots of accuracy under attack, one panel for each attack, one box for each technique.",
        panels=tuple(_panel(attack, rows, list(order.values()), line, styles, legend=False) for attack, rows in parts),
        sheet=tuple(_panel(attack, rows, list(order.values()), line, styles, legend=True) for attack, rows in parts),
        frame=evaluation.boxes,
        height=ROOM + BAR * len(order),
    )


def _lines(techniques: Sequence[str]) -> dict[str, str]:
    """Each technique's name in two lines at most; long ones are cut, and no two read the same."""
    cut = {name: "\n".join(wrap(name, LETTERS, max_lines=2, placeholder="\u2026")) for name in techniques}
    places: Counter[str] = Counter()
    found = {}
    for name, text in cut.items():
        places[text] += 1
        found[name] = text if places[text] == 1 else f"{text} ({places[text]})"
    return found


def _rows(evaluation: Evaluation) -> list[dict[str, Any]]:
    own = (pl.col("crafted_on") == pl.col("variant")) & pl.col("attack").is_in(list(evaluation.stresses))
    white_box = evaluation.seed_means.filter(own).drop_nulls("robust_accuracy")
    joined = white_box.join(evaluation.variants.select("variant", "technique"), on="variant", maintain_order="left")
    return [
        {
            "variant": row["variant"],
            "attack": row["attack"],
            "technique": row["technique"],
            "accuracy": row["robust_accuracy"],
            "at": radius(row["epsilon"], row["norm"]),
            "steps": row["steps"],
            "examples": row["examples"],
        }
        for row in joined.iter_rows(named=True)
    ]


def _panel(
    title: str,
    rows: Sequence[Mapping[str, Any]],
    order: Sequence[str],
    line: float,
    styles: Mapping[str, Style],
    *,
    legend: bool,
) -> Panel:
    keys = scales(styles, legend=legend)
    extent = 7 * max(len(part) for name in order for part in name.split("\n"))
    labels = alt.Axis(title=None, labelExpr="split(datum.value, '\\n')", minExtent=extent, maxExtent=extent, grid=False)
    base = alt.Chart().encode(
        x=alt.X("accuracy:Q", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format=".0%", tickCount=5, grid=True)),
        y=alt.Y("technique:N", sort=list(order), scale=alt.Scale(domain=list(order)), axis=labels),
    )
    tooltip = [
        alt.Tooltip("variant:N"),
        alt.Tooltip("accuracy:Q", format=".1%"),
        alt.Tooltip("at:N", title="at"),
        alt.Tooltip("steps:Q"),
        alt.Tooltip("examples:Q", format=","),
    ]
    boxes = base.mark_boxplot(
        extent="min-max",
        size=16,
        color="var(--line)",
        median={"color": "var(--ink)", "thickness": 2},
        rule={"color": "var(--faint)"},
        ticks={"color": "var(--faint)", "size": 8},
    )
    dots = base.mark_point(filled=True, size=22, stroke="var(--paper)", strokeWidth=0.5).encode(
        color=keys["color"], shape=keys["shape"], opacity=opacity(0.8), tooltip=[] if legend else tooltip
    )
    return panel(title, alt.layer(shown(alt.layer(boxes, dots, data=ROWS), at=False), _rule(line)), rows)


def _rule(line: float) -> Any:
    """The breaking line, upright."""
    rule = alt.Chart(alt.InlineData(values=[{"x": line}]))
    return rule.mark_rule(color="var(--ink)", strokeDash=[1, 3], strokeWidth=1.2).encode(x=alt.X("x:Q"))
