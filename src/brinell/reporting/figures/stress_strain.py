"""Stress-strain graphs (BreakingBED, section 3 and figure 3): stress on x, strain on y, one panel an attack."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import altair as alt
import polars as pl

from brinell.analysis import Evaluation, StressAxis, breaking_strain
from brinell.reporting.describe import describe_attacks, group_by_baseline
from brinell.reporting.drawing.chart import FADED, ROWS, Figure, Panel, hit_area, opacity, panel, scales, shown
from brinell.reporting.drawing.palette import Style
from brinell.reporting.formats import interval, percent, radius

_SHORT = "format(datum.value, '~g')"


def figure(evaluation: Evaluation, styles: Mapping[str, Style]) -> Figure | None:
    """One panel an attack and a network; `None` where no attack's stress is swept."""
    parts = [
        (title, rows, limits) for attack in evaluation.stresses for title, rows, limits in _networks(evaluation, attack)
    ]
    if not parts:
        return None
    every = [row for _, rows, _ in parts for row in rows]
    return Figure(
        name="stress-strain",
        section="material",
        title="Under stress",
        reading="Strain is the share of its clean accuracy that a network loses: 0 is no loss, 1 is a loss of all. A "
        "low curve is strong, a slow rise is ductile, a sudden one brittle. The dotted line is the strain at which "
        "accuracy equals guessing.",
        made=describe_attacks(evaluation, [attack for attack, axis in evaluation.stresses.items() if axis.swept]),
        alt="Strain over stress, one panel for each attack, one line for each variant.",
        panels=tuple(_panel(title, rows, limits, styles, legend=False) for title, rows, limits in parts),
        sheet=tuple(_panel(title, rows, limits, styles, legend=True) for title, rows, limits in parts),
        frame=pl.DataFrame(every).drop("axis", "at", "tip", "range"),
    )


def _networks(evaluation: Evaluation, attack: str) -> list[tuple[str, list[dict[str, Any]], tuple[float, float]]]:
    """Title, rows and the range of breaking strains, for each network that the attack was run on."""
    axis = evaluation.stresses[attack]
    white_box = evaluation.seed_means.filter((pl.col("attack") == attack) & (pl.col("crafted_on") == pl.col("variant")))
    curves = axis.select(white_box).drop_nulls(["stress", "strain"])
    order = {name: place for place, name in enumerate(evaluation.variants["variant"])}
    found = []
    for network, family in group_by_baseline(evaluation) if axis.swept else []:
        chosen = curves.filter(pl.col("variant").is_in(family)).sort(
            pl.col("variant").replace_strict(order, return_dtype=pl.Int64), "stress"
        )
        if chosen.is_empty():
            continue
        clean = chosen.group_by("variant", maintain_order=True).first()["clean_accuracy"]
        breaks = [value for value in (breaking_strain(share, evaluation.line) for share in clean) if value is not None]
        title = f"{_title(attack, axis, chosen['norm'][0])}{f' on {network}' if network else ''}"
        found.append((title, _rows(chosen, axis), (min(breaks), max(breaks))))
    return found


def _title(attack: str, axis: StressAxis, norm: str) -> str:
    if axis.quantity == "epsilon":
        held = axis.held or 0
        return attack if held <= 1 else f"{attack}, {held:.0f} steps"
    return attack if axis.held is None else f"{attack} at {radius(axis.held, norm)}"


def _rows(curves: pl.DataFrame, axis: StressAxis) -> list[dict[str, Any]]:
    rows = []
    for (variant,), curve in curves.group_by("variant", maintain_order=True):
        norm = curve["norm"][0]
        unit = 255 if axis.quantity == "epsilon" and norm == "linf" else 1
        known = {"variant": variant, "attack": curve["attack"][0], "axis": _axis_name(axis, norm)}
        rows.append({**known, "stress": 0.0, "strain": 0.0})  # no stress, no strain
        for row in curve.iter_rows(named=True):
            clean = row["clean_accuracy"]
            bounds = [1 - row[f"robust_accuracy_{side}"] / clean for side in ("high", "low")]
            accuracy = f"{percent(row['robust_accuracy'])} of {percent(clean)}"
            rows.append(
                {
                    **known,
                    "stress": row["stress"] * unit,
                    "at": radius(row["stress"], norm) if axis.quantity == "epsilon" else f"{row['stress']:.0f}",
                    "strain": row["strain"],
                    "low": bounds[0],
                    "high": bounds[1],
                    "tip": accuracy,
                    "range": interval(row["robust_accuracy_low"], row["robust_accuracy_high"]),
                    "examples": row["examples"],
                }
            )
    return rows


def _axis_name(axis: StressAxis, norm: str) -> str:
    if axis.quantity == "steps":
        return "steps"
    return "epsilon" if norm == "linf" else f"epsilon ({norm})"


def _panel(
    title: str, rows: list[dict[str, Any]], limits: tuple[float, float], styles: Mapping[str, Style], *, legend: bool
) -> Panel:
    name = rows[0]["axis"]
    suffix = f"{_SHORT} + (datum.value === 0 ? '' : '/255')" if name == "epsilon" else _SHORT
    x = alt.X("stress:Q", title=name, axis=_ticks(rows, suffix), scale=alt.Scale(nice=False))
    top = max(1.0, *(row["strain"] for row in rows))
    bottom = min(0.0, *(row["strain"] for row in rows))
    y = alt.Y(
        "strain:Q", title="strain", scale=alt.Scale(domain=[bottom, top]), axis=alt.Axis(format=".1f", tickCount=5)
    )
    keys = scales(styles, legend=legend)
    base = alt.Chart().encode(x=x, y=y, color=keys["color"])
    tips = [_tip("tip", "accuracy left"), _tip("range", "95% interval"), alt.Tooltip("strain:Q", format=".3f")]
    tooltip = [
        alt.Tooltip("variant:N"),
        _tip("at", name),
        *tips,
        alt.Tooltip("examples:Q", format=","),
    ]
    measured = base.transform_filter("isValid(datum.examples)")
    lines = base.mark_line(strokeWidth=1.8, interpolate="linear", strokeJoin="round").encode(opacity=opacity())
    bars = measured.mark_rule(strokeWidth=1).encode(y=alt.Y("low:Q"), y2=alt.Y2("high:Q"), opacity=opacity(0.45))
    dots = measured.mark_point(filled=True, size=52, stroke="var(--paper)", strokeWidth=1).encode(
        shape=keys["shape"], opacity=opacity()
    )
    chart = alt.layer(_break(limits), lines, bars, dots, *hit_area(measured, 420, tooltip, legend=legend), data=ROWS)
    return panel(title, shown(chart, at=False), rows)


def _ticks(rows: list[dict[str, Any]], label: str) -> alt.Axis:
    """A tick at each stress that was measured, as far as their labels fit."""
    values = sorted({row["stress"] for row in rows})
    return alt.Axis(labelExpr=label, values=values, labelOverlap="greedy", labelSeparation=10)


def _tip(field: str, title: str) -> alt.Tooltip:
    return alt.Tooltip(f"{field}:N", title=title)


def _break(limits: tuple[float, float]) -> Any:
    """Where the panel's networks reach the breaking line: a strain for each clean accuracy, so a band."""
    low, high = limits
    source = alt.Chart(alt.InlineData(values=[{"low": low, "high": high, "text": "breaking line"}]))
    band = source.mark_rect(color="var(--ink)", opacity=FADED / 2).encode(y=alt.Y("low:Q"), y2=alt.Y2("high:Q"))
    edge = source.mark_rule(color="var(--ink)", strokeDash=[1, 3], strokeWidth=1.2).encode(y=alt.Y("low:Q"))
    text = source.mark_text(align="left", x=0, dx=4, dy=-7, fontSize=10.5, color="var(--muted)", baseline="bottom")
    return band + edge + text.encode(y=alt.Y("high:Q"), text=alt.Text("text:N"))
