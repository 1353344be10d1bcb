"""Accuracy and loss along an attack's steps (BreakingBED, figure 2): accuracy solid, loss dashed, the breaking line."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import altair as alt
import numpy as np
import polars as pl

from brinell.analysis import Evaluation
from brinell.reporting.describe import describe_attacks, group_by_baseline
from brinell.reporting.drawing.chart import (
    ROWS,
    Figure,
    Panel,
    PickOption,
    breaking_rule,
    hit_area,
    log_ticks,
    opacity,
    panel,
    scales,
    shown,
)
from brinell.reporting.drawing.palette import Style
from brinell.reporting.formats import pluralize, radius

DRAWN = 60
"""Steps drawn a curve at most; longer traces show those that lie evenly along the axis."""
LONG = 100
"""Steps beyond which the axis is logarithmic: most networks break in the first tens of a thousand."""


def figure(evaluation: Evaluation, styles: Mapping[str, Style]) -> Figure | None:
    """Two panels a network, for each attack and radius that was traced; `None` where none was."""
    traced = evaluation.traces
    if traced.is_empty():
        return None
    rows = [row for (attack, epsilon), frame in _strengths(traced) for row in _rows(frame, _at(frame))]
    picks = list(dict.fromkeys(row["at"] for row in rows))
    attacks = list(dict.fromkeys(traced["attack"]))
    networks = _families(evaluation, rows)
    only = picks[0] if len(picks) == 1 else ""
    runs: Any = traced["runs"].max()
    band = "; the bands are one standard deviation of the runs either side" if runs > 1 else ""
    line = evaluation.line
    return Figure(
        name="attack-curves",
        section="iterations",
        title="Along the attack",
        reading="The attack's current iterate, step by step: accuracy solid, loss dashed. If the loss still rises "
        "at the last step, more steps would break more examples.",
        made=f"Mean of up to {pluralize(runs, 'run')} (seeds times restarts){band}. "
        f"{describe_attacks(evaluation, attacks)}",
        alt="Accuracy and loss over the steps of the attack, one line for each variant.",
        panels=tuple(
            part
            for network, chosen in networks
            for part in _pair(_joined(only, network), chosen, line, styles, at=True, legend=False)
        ),
        sheet=tuple(
            part
            for at in picks
            for network, chosen in networks
            for part in _pair(_joined(at, network), _only(chosen, at), line, styles, at=False, legend=True)
        ),
        frame=pl.DataFrame(rows).drop("marked"),
        picks=tuple(PickOption(at, at) for at in picks),
        picked=_first(evaluation, picks),
        pick_title="Attack",
    )


def _only(rows: Sequence[Mapping[str, Any]], at: str) -> list[Mapping[str, Any]]:
    """Those of one strength."""
    return [row for row in rows if row["at"] == at]


def _joined(at: str, network: str) -> str:
    return " on ".join(part for part in (at, network) if part)


def _strengths(traced: pl.DataFrame) -> Any:
    return traced.group_by("attack", "epsilon", maintain_order=True)


def _at(frame: pl.DataFrame) -> str:
    return f"{frame['attack'][0]} {radius(frame['epsilon'][0], frame['norm'][0])}"


def _first(evaluation: Evaluation, picks: Sequence[str]) -> str:
    """The curves at the reference radius, where there are such."""
    if evaluation.reference_radius is not None:
        ending = f" {radius(evaluation.reference_radius.epsilon, evaluation.reference_radius.norm)}"
        return next((at for at in picks if at.endswith(ending)), picks[-1])
    return picks[-1]


def _rows(frame: pl.DataFrame, at: str) -> list[dict[str, Any]]:
    steps = sorted(set(frame["step"]))
    kept, marked = _even(steps, DRAWN), _even(steps, 7)
    return [
        {
            "variant": row["variant"],
            "at": at,
            "step": row["step"],
            "accuracy": row["accuracy"],
            "accuracy_spread": row["accuracy_spread"],
            "loss": row["loss"],
            "loss_spread": row["loss_spread"],
            **_band(row, "accuracy", 0.0, 1.0),
            **_band(row, "loss"),
            "runs": row["runs"],
            "examples": row["examples"],
            "marked": row["step"] in marked,
        }
        for row in frame.iter_rows(named=True)
        if row["step"] in kept | marked
    ]


def _first_step(steps: Collection[int]) -> int:
    return min((step for step in steps if step > 0), default=1)


def _even(steps: Sequence[int], count: int) -> set[int]:
    """`count` steps at most, both ends among them, that lie evenly along the axis."""
    if len(steps) <= count:
        return set(steps)
    unit = _first_step(steps)
    along = [math.log1p(step / unit) if steps[-1] > LONG else step for step in steps]
    aims = np.linspace(along[0], along[-1], count)
    return {steps[place] for place in np.abs(np.subtract.outer(aims, along)).argmin(1)}


def _band(
    row: Mapping[str, Any], field: str, least: float = -math.inf, most: float = math.inf
) -> dict[str, float | None]:
    """One standard deviation either side, within what there can be; unknown for one run."""
    mean, spread = row[field], row[f"{field}_spread"]
    known = mean is not None and spread is not None
    low, high = (max(least, mean - spread), min(most, mean + spread)) if known else (None, None)
    return {f"{field}_low": low, f"{field}_high": high}


def _families(evaluation: Evaluation, rows: Sequence[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Rows by network, of those that were traced."""
    found = [
        (name, [row for row in rows if row["variant"] in family]) for name, family in group_by_baseline(evaluation)
    ]
    return [(name, chosen) for name, chosen in found if chosen]


def _pair(
    name: str,
    rows: Sequence[Mapping[str, Any]],
    line: float,
    styles: Mapping[str, Style],
    *,
    at: bool,
    legend: bool,
) -> list[Panel]:
    if not rows:
        return []
    on = f"{name}: " if name else ""
    share = alt.Y("accuracy:Q", title=None, scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format=".0%", tickCount=5))
    loss = alt.Y("loss:Q", title=None, axis=alt.Axis(tickCount=5))
    x = _along({row["step"] for row in rows})
    solid = shown(_curves(x, share, styles, dash=[1, 0], legend=legend), at=at)
    dashed = shown(_curves(x, loss, styles, dash=[5, 3], legend=legend), at=at)
    return [
        panel(f"{on}accuracy" if on else "Accuracy", alt.layer(breaking_rule(line), solid), rows),
        panel(f"{on}loss" if on else "Loss", dashed, rows),
    ]


def _along(steps: Collection[int]) -> alt.X:
    """The axis of steps; a long one is linear up to the first traced step, and logarithmic from there."""
    if max(steps) <= LONG:
        axis, scale = alt.Axis(tickCount=6, tickMinStep=1), alt.Scale(nice=False)
        return alt.X("step:Q", title="step", axis=axis, scale=scale)
    unit = _first_step(steps)
    ticks = [0.0, *(tick for tick in log_ticks(unit, max(steps)) if unit <= tick <= max(steps))]
    scale = alt.Scale(type="symlog", constant=unit, nice=False)
    axis = alt.Axis(values=ticks, format=",d", labelOverlap="greedy")
    return alt.X("step:Q", title="step, logarithmic", axis=axis, scale=scale)


def _curves(x: alt.X, y: alt.Y, styles: Mapping[str, Style], *, dash: list[int], legend: bool) -> Any:
    keys = scales(styles, legend=legend)
    base = alt.Chart().encode(x=x, y=y, color=keys["color"])
    tooltip = [
        alt.Tooltip("variant:N"),
        alt.Tooltip("at:N", title="attack"),
        alt.Tooltip("step:Q"),
        alt.Tooltip("accuracy:Q", format=".1%"),
        alt.Tooltip("loss:Q", format=".3g"),
        alt.Tooltip("runs:Q"),
        alt.Tooltip("examples:Q", format=","),
    ]
    field = str(y.shorthand).removesuffix(":Q")
    bands = (
        base.transform_filter(f"isValid(datum.{field}_low)")
        .mark_area(strokeWidth=0)
        .encode(y=alt.Y(f"{field}_low:Q"), y2=alt.Y2(f"{field}_high:Q"), opacity=opacity(0.16))
    )
    lines = base.mark_line(strokeWidth=1.8, strokeDash=dash, strokeJoin="round").encode(opacity=opacity())
    dots = (
        base.transform_filter("datum.marked")
        .mark_point(filled=True, size=46, stroke="var(--paper)", strokeWidth=1)
        .encode(shape=keys["shape"], opacity=opacity())
    )
    return alt.layer(bands, lines, dots, *hit_area(base, 260, tooltip, legend=legend), data=ROWS)
