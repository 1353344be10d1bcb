"""The search for rates, episode by episode: what the agent was rewarded for, and what uniform rates have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import polars as pl

from brinell.analysis import Evaluation
from brinell.reporting.describe import group_by_baseline, span
from brinell.reporting.drawing.chart import ROWS, Figure, Panel, hit_area, opacity, panel, scales, shown
from brinell.reporting.drawing.palette import Style
from brinell.reporting.formats import pluralize

CHOSEN_BY = {True: "drawn at random", False: "the agent's", None: "not noted"}


def figure(evaluation: Evaluation, styles: Mapping[str, Style]) -> Figure | None:
    """One panel a network and reward; `None` where nothing was searched for."""
    every = evaluation.compressor_logs.searches
    parts = [
        (f"{_title(str(reward))}{f' on {network}' if network else ''}", _rows(chosen))
        for (reward,), frame in every.group_by("reward", maintain_order=True)
        for network, family in group_by_baseline(evaluation)
        if not (chosen := frame.filter(pl.col("variant").is_in(family))).is_empty()
    ]
    if not parts:
        return None
    searched = every["variant"].n_unique()
    return Figure(
        name="search",
        section="rates",
        title="The search for rates",
        reading="Each point is an episode: the score of the network pruned at its rates, before "
        "fine-tuning. Hollow points are random episodes at the start. The solid line is the best score so far, "
        "the dashed one that of uniform rates under the same budget.",
        made=f"{pluralize(every.height, 'episode')} of {pluralize(searched, 'variant')}, "
        f"scored on {span(every['examples'])} of the training split. The final rates are the best of a second "
        "evaluation on other images.",
        alt="Score over episodes, one line for each variant whose rates were searched for.",
        panels=tuple(_panel(title, rows, styles, legend=False) for title, rows in parts),
        sheet=tuple(_panel(title, rows, styles, legend=True) for title, rows in parts),
        frame=every,
    )


def _title(reward: str) -> str:
    return reward.replace("_", " ").capitalize()


def _rows(frame: pl.DataFrame) -> list[dict[str, Any]]:
    first = dict(frame.group_by("variant").agg(pl.col("episode").min()).iter_rows())
    return [
        {**row, "by": CHOSEN_BY[row["random"]], "first": row["episode"] == first[row["variant"]]}
        for row in frame.iter_rows(named=True)
    ]


def _panel(title: str, rows: Sequence[Mapping[str, Any]], styles: Mapping[str, Style], *, legend: bool) -> Panel:
    keys = scales(styles, legend=legend)
    x = alt.X("episode:Q", axis=alt.Axis(tickCount=6, tickMinStep=1), scale=alt.Scale(nice=False))
    axis = alt.Axis(format=".0%", tickCount=5)
    base = alt.Chart().encode(x=x, y=alt.Y("score:Q", title=None, axis=axis), color=keys["color"])
    tooltip = [
        alt.Tooltip("variant:N"),
        alt.Tooltip("episode:Q"),
        alt.Tooltip("score:Q", format=".1%"),
        alt.Tooltip("best:Q", title="best so far", format=".1%"),
        alt.Tooltip("uniform:Q", title="uniform rates", format=".1%"),
        alt.Tooltip("by:N", title="rates"),
        alt.Tooltip("examples:Q", format=","),
    ]
    level = alt.Chart().transform_filter("datum.first").mark_rule(strokeWidth=1.4, strokeDash=[5, 3])
    uniform = level.encode(y=alt.Y("uniform:Q"), color=keys["color"], opacity=opacity())
    best = base.mark_line(strokeWidth=1.8, interpolate="step-after").encode(y=alt.Y("best:Q"), opacity=opacity())
    rings = base.transform_filter("datum.random").mark_point(size=22, strokeWidth=1, fill="var(--paper)")
    dots = base.transform_filter("!datum.random").mark_point(filled=True, size=24)
    points = [mark.encode(shape=keys["shape"], opacity=opacity(0.6)) for mark in (rings, dots)]
    marks = alt.layer(uniform, best, *points, *hit_area(base, 160, tooltip, legend=legend), data=ROWS)
    return panel(title, shown(marks, at=False), rows)
