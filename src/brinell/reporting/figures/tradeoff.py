"""Robust accuracy against the bytes of the file: what compression costs, and which variants nothing else beats."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import altair as alt
import polars as pl

from brinell.analysis import Evaluation, front
from brinell.reporting.chart import ROWS, Figure, Panel, Pick, aim, breaking_rule, opacity, panel, scales, shown
from brinell.reporting.describe import named, span
from brinell.reporting.formats import elided, interval, percent, radius, ratio, size
from brinell.reporting.palette import Style

HEIGHT = 380
LABELS = 8
"""Names in the chart at most: baselines and the front before others."""
_GAP = 15 / HEIGHT
"""Share of the height that keeps two labels apart."""
_BYTES = "datum.value >= 1e6 ? format(datum.value / 1e6, '~g') + ' MB' : format(datum.value / 1e3, '~g') + ' kB'"


def figure(evaluation: Evaluation, styles: Mapping[str, Style]) -> Figure | None:
    """Points for every radius of the reference's norm; `None` where no variant has both a size and a worst case."""
    if evaluation.reference is None:
        return None
    reference = evaluation.reference
    known = evaluation.worst.filter((pl.col("norm") == reference.norm) & (pl.col("examples") > 0)).join(
        evaluation.variants.select("variant", "baseline", "clean_accuracy", "encoded_bytes", "compression_ratio"),
        on="variant",
    )
    known = known.filter(pl.col("encoded_bytes") > 0)
    if known.is_empty():
        return None
    radii = sorted(set(known["epsilon"]))
    rows = [row for epsilon in radii for row in _rows(known.filter(pl.col("epsilon") == epsilon))]
    picked = radius(min(radii, key=lambda epsilon: abs(epsilon - reference.epsilon)), reference.norm)
    attacks = list(dict.fromkeys(name for names in known["attacks"] for name in names))
    line = evaluation.line
    title = f"Within {picked}"
    chosen = [row for row in rows if row["at"] == picked]
    return Figure(
        name="robust-accuracy-against-bytes",
        title="Robust accuracy against size",
        reading="Filled: the share of examples that stand against every attack within the radius, the worst case per "
        "example. Hollow: accuracy without an attack. Up and to the left is better; the thin line joins the variants "
        "that no other beats in both.",
        made=f"Worst case over {named(attacks)} on {span(known['examples'])}, Wilson 95% intervals. Bytes are the "
        "whole .brinell file.",
        alt="Clean and robust accuracy over the size of the file, one point for each variant.",
        panels=(_panel("", rows, line, styles, legend=False),),
        sheet=(_panel(title, chosen, line, styles, legend=True),),
        frame=pl.DataFrame(rows).drop("tip", "range", "label", "label_y", "side"),
        height=HEIGHT,
        columns=1,
        width=600,
        picks=tuple(Pick(radius(epsilon, reference.norm), radius(epsilon, reference.norm)) for epsilon in radii),
        picked=picked,
        pick_title="Radius",
    )


def _rows(known: pl.DataFrame) -> list[dict[str, Any]]:
    """Rows of one radius, with the front and places for the labels."""
    rows = known.to_dicts()
    best = front([(row["encoded_bytes"], row["robust_accuracy"]) for row in rows])
    found = [
        {
            "variant": row["variant"],
            "at": radius(row["epsilon"], row["norm"]),
            "bytes": row["encoded_bytes"],
            "size": f"{size(row['encoded_bytes'])} ({ratio(row['compression_ratio'])})",
            "robust": row["robust_accuracy"],
            "low": row["robust_accuracy_low"],
            "high": row["robust_accuracy_high"],
            "clean": row["clean_accuracy"],
            "tip": percent(row["robust_accuracy"]),
            "range": interval(row["robust_accuracy_low"], row["robust_accuracy_high"]),
            "examples": row["examples"],
            "front": is_best,
        }
        for row, is_best in zip(rows, best, strict=True)
    ]
    _label_points(found, set(known["baseline"]))
    return found


def _label_points(rows: Sequence[dict[str, Any]], baselines: Collection[str]) -> None:
    """Names beside points, towards the middle of the chart, moved down where one would lie on another."""
    places = {row["variant"]: math.log10(row["bytes"]) for row in rows}
    least, most = min(places.values()), max(places.values())
    wanted = sorted(rows, key=lambda row: not (row["front"] or row["variant"] in baselines))[:LABELS]
    taken: list[tuple[float, float]] = []
    for row in sorted(wanted, key=lambda row: -row["robust"]):
        place, y = places[row["variant"]], row["robust"]
        for other_place, other_y in taken:  # downwards: each was put under those before it
            if abs(place - other_place) < 0.3 * (most - least) + 1e-9 and abs(y - other_y) < _GAP:
                y = other_y - _GAP
        taken.append((place, y))
        row.update(label=elided(row["variant"], 24), label_y=y, side="right" if place > (least + most) / 2 else "left")


def _panel(
    title: str, rows: Sequence[Mapping[str, Any]], line: float, styles: Mapping[str, Style], *, legend: bool
) -> Panel:
    sizes = [row["bytes"] for row in rows]
    x = alt.X(
        "bytes:Q",
        title="bytes of the file, logarithmic",
        scale=alt.Scale(type="log", domain=[min(sizes) / 1.35, max(sizes) * 1.35], nice=False),
        axis=alt.Axis(values=_ticks(min(sizes), max(sizes)), labelExpr=_BYTES),
    )
    y = alt.Y("robust:Q", title="accuracy", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format=".0%", tickCount=5))
    keys = scales(styles, legend=legend)
    base = alt.Chart().encode(x=x, y=y, color=keys["color"])
    tooltip = [
        alt.Tooltip("variant:N"),
        alt.Tooltip("at:N", title="within"),
        alt.Tooltip("tip:N", title="robust accuracy"),
        alt.Tooltip("range:N", title="95% interval"),
        alt.Tooltip("clean:Q", title="clean accuracy", format=".1%"),
        alt.Tooltip("size:N", title="file"),
        alt.Tooltip("examples:Q", format=","),
    ]
    best = (
        base.transform_filter("datum.front")
        .mark_line(interpolate="step-after", strokeWidth=1, color="var(--faint)")
        .encode(color=alt.ColorValue("var(--faint)"), order=alt.Order("bytes:Q"))
    )
    stems = base.mark_rule(strokeWidth=1, strokeDash=[2, 2]).encode(
        y=alt.Y("high:Q"), y2=alt.Y2("clean:Q"), opacity=opacity(0.5)
    )
    bars = base.mark_rule(strokeWidth=2).encode(y=alt.Y("low:Q"), y2=alt.Y2("high:Q"), opacity=opacity(0.55))
    rings = base.mark_point(filled=False, size=64, strokeWidth=1.6, fill="var(--paper)").encode(
        y=alt.Y("clean:Q"), shape=keys["shape"], opacity=opacity()
    )
    dots = base.mark_point(filled=True, size=110, stroke="var(--paper)", strokeWidth=1.2).encode(
        shape=keys["shape"], opacity=opacity()
    )
    labels = [_label(base, side, halo) for side in ("left", "right") for halo in (True, False)]
    marks = alt.layer(best, stems, bars, rings, dots, *labels, *aim(base, 700, tooltip, legend=legend), data=ROWS)
    return panel(title, alt.layer(breaking_rule(line), shown(marks, at=not legend)), rows)


def _label(base: Any, side: str, halo: bool) -> Any:
    """Names beside the points; a halo of paper under them keeps lines out of the letters."""
    colour = "var(--paper)" if halo else "var(--ink)"
    stroke = {"stroke": "var(--paper)", "strokeWidth": 4} if halo else {}
    mark = base.transform_filter(f"datum.side === '{side}'").mark_text(
        align=side, dx=12 if side == "left" else -12, baseline="middle", limit=130, **stroke
    )
    return mark.encode(y=alt.Y("label_y:Q"), text=alt.Text("label:N"), color=alt.ColorValue(colour), opacity=opacity())


def _ticks(low: float, high: float) -> list[float]:
    """1, 2, 5, 10, ... of what lies between; powers of ten alone where they are many."""
    decades = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
    steps = (1,) if high / low > 1e4 else (1, 3) if high / low > 100 else (1, 2, 5)
    return [step * 10.0**decade for decade in decades for step in steps]
