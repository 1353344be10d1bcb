"""The Pareto front that a search found, beside the study's own variants."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import altair as alt
import polars as pl

from brinell.analysis import Evaluation
from brinell.analysis.limit_results import limit_results
from brinell.analysis.requirements import measured_cost
from brinell.core import PlannedLimit
from brinell.core.domination import undominated
from brinell.core.goals import Goal, parse_goal
from brinell.reporting.drawing.chart import ROWS, Figure, Panel, hit_area, panel, ratio_axis
from brinell.reporting.drawing.palette import Style

_OWN: Final = "variant of the study"
_TRIED: Final = "network of the search"
_FRONT: Final = "front of the search"
_KINDS: Final = (_OWN, _TRIED, _FRONT)


def figure(evaluation: Evaluation, styles: Mapping[str, Style]) -> Figure | None:
    """Clean accuracy, or the second goal where there are two, against the ratio of the goal; a panel for each limit."""
    found = limit_results(evaluation)
    parts = []
    for limit in evaluation.plan.limits:
        own = found.filter((pl.col("limit") == limit.name) & pl.col("ratio").is_not_null())
        if len(own):
            goals = [parse_goal(text) for text in limit.goals]
            parts.append((limit, goals, _rows(evaluation, limit, goals, own)))
    if not parts:
        return None
    panels = [
        [_panel(limit.name, goals, rows, legend=legend) for limit, goals, rows in parts] for legend in (False, True)
    ]
    return Figure(
        name="search-front",
        section="limits",
        title="What the search found, beside the study's own variants",
        reading="Up and to the right is better. The line joins the networks of the search that no other one of it "
        "beats in both numbers, whether or not they keep the conditions; a variant of the study above it is better "
        "than anything that the search found.",
        made="Every network of the searches, and every variant of the study with the same baseline.",
        alt="Networks of the search and variants of the study: accuracy, or the second goal, over the ratio.",
        panels=tuple(panels[0]),
        sheet=tuple(panels[1]),
        frame=pl.DataFrame([row for _, _, rows in parts for row in rows], infer_schema_length=None),
        order=1,
    )


def _rows(evaluation: Evaluation, limit: PlannedLimit, goals: list[Goal], found: pl.DataFrame) -> list[dict[str, Any]]:
    """Marks of one limit: what it tried, then variants of the study."""
    second = "second_ratio" if len(goals) > 1 else "clean_accuracy"
    different = found.filter(pl.col(second).is_not_null()).unique("variant", maintain_order=True)
    tried = list(different.iter_rows(named=True))
    front = {tried[place]["variant"] for place in undominated([(-row["ratio"], -row[second]) for row in tried])}
    rows = [
        _mark(limit, row["variant"], row["ratio"], row[second], _FRONT if row["variant"] in front else _TRIED)
        for row in tried
    ]
    baseline = found["baseline"][0]
    written, searched = set(evaluation.plan.config.get("variants", {})), set(found["variant"])
    names = {variant.key: variant.name for variant in evaluation.plan.variants}
    for row in evaluation.variants.filter(pl.col("baseline") == baseline).iter_rows(named=True):
        if row["variant"] in searched or names[row["key"]] not in written:  # steps of chains are no variants of it
            continue
        ratios = [_ratio(evaluation, goal, row["variant"], baseline) for goal in goals]
        height = ratios[1] if len(goals) > 1 else row["clean_accuracy"]
        if ratios[0] is not None and height is not None:
            rows.append(_mark(limit, row["variant"], ratios[0], height, _OWN))
    return rows


def _mark(limit: PlannedLimit, variant: str, ratio: float, height: float, kind: str) -> dict[str, Any]:
    return {"limit": limit.name, "variant": variant, "ratio": ratio, "height": height, "kind": kind}


def _ratio(evaluation: Evaluation, goal: Goal, variant: str, baseline: str) -> float | None:
    own, before = (measured_cost(evaluation, goal.metric, name, goal.runtime) for name in (variant, baseline))
    return before.value / own.value if own is not None and before is not None and own.value > 0 else None


def _panel(name: str, goals: list[Goal], rows: list[dict[str, Any]], *, legend: bool) -> Panel:
    two = len(goals) > 1
    x = ratio_axis(f"times smaller in {goals[0].text}", [row["ratio"] for row in rows])
    y = alt.Y(
        "height:Q",
        title=f"times smaller in {goals[1].text}" if two else "clean accuracy",
        scale=alt.Scale(zero=False, type="log" if two else "linear"),
        axis=alt.Axis(format="~g" if two else "%", tickCount=5),
    )
    key = alt.Legend(title=None, orient="bottom")
    colours = ["var(--muted)", "var(--sky)", "var(--blue)"]
    colour = alt.Color("kind:N", scale=alt.Scale(domain=list(_KINDS), range=colours), legend=key)
    shape = alt.Shape("kind:N", scale=alt.Scale(domain=list(_KINDS), range=["diamond", "circle", "circle"]), legend=key)
    base = alt.Chart().encode(x=x, y=y, color=colour)
    line = base.transform_filter(f"datum.kind === '{_FRONT}'").mark_line(strokeWidth=1.5)
    dots = base.mark_point(size=60, fill="var(--paper)", strokeWidth=1.6).encode(shape=shape)
    tooltip = [alt.Tooltip("variant:N"), alt.Tooltip("ratio:Q", format=".3g"), alt.Tooltip("height:Q", format=".3g")]
    return panel(name, alt.layer(line, dots, *hit_area(base, 300, tooltip, legend=legend), data=ROWS), rows)
