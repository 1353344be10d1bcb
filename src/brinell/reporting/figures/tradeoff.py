"""Robust accuracy against what a network costs, in bytes, MACs and energy: and which variants nothing else beats."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import polars as pl

from brinell.analysis import Evaluation, front
from brinell.analysis.records.probes import Energy, Latency
from brinell.reporting.describe import named, span
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
from brinell.reporting.drawing.label_placement import Marker, place
from brinell.reporting.drawing.palette import Style
from brinell.reporting.formats import MISSING, elided, interval, percent, quantity, radius, size, three
from brinell.reporting.speed_up import fastest_times
from brinell.reporting.tables.costs.energy import frame as energy_frame
from brinell.reporting.tables.masking import verdict

HEIGHT = 380
WIDTH = 300
"""Pixels between the axes on a phone, for which names are placed; on wider screens they have the more room."""
_DRAWN = ("tip", "range", "label", "label_y", "side", "said")
"""Of the rows, what only the chart needs."""
_SHORT = "format(datum.value, '~s')"
"""`200k`, `1.5M`, `30\u00b5`."""


@dataclass(frozen=True)
class Cost:
    """A column of costs, how its axis is called and labelled, and how one of its values is written."""

    column: str
    axis: str
    unit: str
    said: Callable[[float | None], str]


def _joules(value: float | None) -> str:
    if value is None:
        return MISSING
    unit, factor = ("J", 1.0) if value >= 1 else ("mJ", 1e3) if value >= 1e-3 else ("\u00b5J", 1e6)
    return f"{three(factor * value)}\u202f{unit}"


BYTES = Cost("encoded_bytes", "bytes of the file", "B", size)
MACS = Cost("ncc", "NCC an image", "", quantity)
LATENCY = Cost(
    "latency_ms", "milliseconds an image", "ms", lambda value: MISSING if value is None else f"{three(value)}\u202fms"
)
ENERGY = Cost("energy_j_per_example", "joules an image", "J", _joules)


def figure(evaluation: Evaluation, styles: Mapping[str, Style]) -> Figure | None:
    """A panel for each cost, points for every radius of the reference's norm.

    `None` where no variant has both a cost and a worst case.
    """
    if evaluation.reference_radius is None:
        return None
    reference, known = evaluation.reference_radius, _known(evaluation)
    radii = sorted(set(known["epsilon"]))
    first = _named_first(evaluation)
    parts = [(cost, rows) for cost in _costs(evaluation) if (rows := _all_rows(known, cost, radii, first))]
    if not parts:
        return None
    picked = radius(min(radii, key=lambda epsilon: abs(epsilon - reference.epsilon)), reference.norm)
    attacks = list(dict.fromkeys(name for names in known["attacks"] for name in names))
    modelled = " Energy is modelled, from counted operations and bytes." if _modelled(evaluation) else ""
    timed = " Latency is the median of the fastest runtime." if evaluation.probes.of(Latency) else ""
    line, every = evaluation.line, [row for _, rows in parts for row in rows]
    return Figure(
        name="robust-accuracy-against-cost",
        section="tradeoff",
        title="Robust accuracy against cost",
        reading="Filled: the share of examples that no attack breaks within the radius (worst case per "
        "example). Hollow: accuracy without an attack. Up and to the left is better; the thin line is the "
        "Pareto front.",
        made=f"Worst case over {named(attacks)} on {span(known['examples'])}, Wilson 95% intervals. Bytes are the "
        f"whole .brinell file; NCC counts multiply-accumulates, and 1/48 of the binary operations.{timed}{modelled}",
        alt="Clean and robust accuracy over what a variant costs, one point for each variant.",
        panels=tuple(_panel(_title(cost), cost, rows, line, styles, legend=False) for cost, rows in parts),
        sheet=tuple(
            _panel(f"Within {picked}, {_title(cost).lower()}", cost, _at(rows, picked), line, styles, legend=True)
            for cost, rows in parts
        ),
        frame=pl.DataFrame(every, infer_schema_length=None).drop(_DRAWN, strict=False),
        height=HEIGHT,
        columns=1,
        width=600,
        picks=tuple(PickOption(radius(epsilon, reference.norm), radius(epsilon, reference.norm)) for epsilon in radii),
        picked=picked,
        pick_title="Radius",
        lead=True,
    )


def _costs(evaluation: Evaluation) -> list[Cost]:
    """The file's bytes, and what else tells variants apart."""
    told = evaluation.variants["ncc"].drop_nulls().n_unique() > 1
    return [BYTES, *([MACS] if told else []), LATENCY, ENERGY]


def _named_first(evaluation: Evaluation) -> list[str]:
    """What the answer speaks of has its name in the chart, whatever lies around it."""
    trainings = evaluation.labels_of_names
    chosen = [name for choice in evaluation.choices for name in (choice.variant, choice.baseline) if name]
    return list(dict.fromkeys(label for name in chosen for label in trainings[name]))


def _title(cost: Cost) -> str:
    return {
        "encoded_bytes": "Against the file's bytes",
        "ncc": "Against operations",
        "latency_ms": "Against latency",
    }.get(cost.column, "Against energy")


def _modelled(evaluation: Evaluation) -> bool:
    return any(found.record.source == "modelled" for found in evaluation.probes.of(Energy))


def _known(evaluation: Evaluation) -> pl.DataFrame:
    """Worst cases in the reference's norm, with what each variant is and costs."""
    norm = evaluation.reference_radius.norm if evaluation.reference_radius else ""
    columns = ("variant", "baseline", "clean_accuracy", "encoded_bytes", "compression_ratio", "ncc")
    verdicts = pl.DataFrame(
        [(name, verdict(evaluation, name)) for name in evaluation.variants["variant"]],
        schema={"variant": pl.String, "gradients": pl.String},
        orient="row",
    )
    energy = energy_frame(evaluation).select("variant", "energy_j_per_example").unique("variant", keep="first")
    return (
        evaluation.worst.filter((pl.col("norm") == norm) & (pl.col("examples") > 0))
        .join(evaluation.variants.select(columns), on="variant", maintain_order="left")
        .join(verdicts, on="variant", maintain_order="left")
        .join(energy, on="variant", how="left", maintain_order="left")
        .join(fastest_times(evaluation), on="variant", how="left", maintain_order="left")
    )


def _all_rows(known: pl.DataFrame, cost: Cost, radii: Sequence[float], first: Sequence[str]) -> list[dict[str, Any]]:
    with_cost = known.filter(pl.col(cost.column) > 0)
    return [row for epsilon in radii for row in _rows(with_cost.filter(pl.col("epsilon") == epsilon), cost, first)]


def _at(rows: Sequence[dict[str, Any]], picked: str) -> list[dict[str, Any]]:
    return [row for row in rows if row["at"] == picked]


def _rows(known: pl.DataFrame, cost: Cost, first: Sequence[str]) -> list[dict[str, Any]]:
    """Rows of one radius, with the front and places for the names."""
    rows = known.to_dicts()
    best = front([(row[cost.column], row["robust_accuracy"]) for row in rows])
    found = [
        {
            "variant": row["variant"],
            "at": radius(row["epsilon"], row["norm"]),
            "cost": cost.column,
            "value": row[cost.column],
            "said": cost.said(row[cost.column]),
            "robust": row["robust_accuracy"],
            "low": row["robust_accuracy_low"],
            "high": row["robust_accuracy_high"],
            "clean": row["clean_accuracy"],
            "tip": percent(row["robust_accuracy"]),
            "range": interval(row["robust_accuracy_low"], row["robust_accuracy_high"]),
            "examples": row["examples"],
            "gradients": row["gradients"],
            "front": is_best,
        }
        for row, is_best in zip(rows, best, strict=True)
    ]
    if found:
        _name_points(found, first)
    return found


def _name_points(rows: Sequence[dict[str, Any]], first: Sequence[str]) -> None:
    """Texts and their places for the points that can be named."""
    left, right = (math.log10(end) for end in _ends([row["value"] for row in rows]))
    dots = [
        Marker(
            row["variant"],
            elided(row["variant"], 24),
            WIDTH * (math.log10(row["value"]) - left) / (right - left),
            HEIGHT * (1 - row["robust"]),
            (HEIGHT * (1 - row["high"]), HEIGHT * (1 - row["low"])),
            HEIGHT * (1 - (row["robust"] if row["clean"] is None else row["clean"])),
        )
        for row in sorted(rows, key=lambda row: not row["front"])
    ]
    texts = {dot.name: dot.text for dot in dots}
    tags = place(dots, [name for name in first if name in texts], (WIDTH, HEIGHT))
    for row in rows:
        if tag := tags.get(row["variant"]):
            row.update(label=texts[row["variant"]], label_y=1 - tag.y / HEIGHT, side=tag.side)


def _ends(values: Sequence[float]) -> tuple[float, float]:
    """What of the logarithmic axis is shown."""
    return min(values) / 1.35, max(values) * 1.35


def _panel(
    title: str,
    cost: Cost,
    rows: Sequence[Mapping[str, Any]],
    line: float,
    styles: Mapping[str, Style],
    *,
    legend: bool,
) -> Panel:
    values = [row["value"] for row in rows]
    x = alt.X(
        "value:Q",
        title=f"{cost.axis}, logarithmic",
        scale=alt.Scale(type="log", domain=list(_ends(values)), nice=False),
        axis=alt.Axis(
            values=log_ticks(min(values), max(values)), labelExpr=f"{_SHORT} + '{cost.unit}'", labelOverlap="greedy"
        ),
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
        alt.Tooltip("said:N", title=cost.axis),
        alt.Tooltip("gradients:N"),
        alt.Tooltip("examples:Q", format=","),
    ]
    best = (
        base.transform_filter("datum.front")
        .mark_line(interpolate="step-after", strokeWidth=1, color="var(--faint)")
        .encode(color=alt.ColorValue("var(--faint)"), order=alt.Order("value:Q"))
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
    marks = alt.layer(best, stems, bars, rings, dots, *labels, *hit_area(base, 700, tooltip, legend=legend), data=ROWS)
    return panel(title, alt.layer(breaking_rule(line), shown(marks, at=not legend)), rows)


def _label(base: Any, side: str, halo: bool) -> Any:
    """Names beside the points; a halo of paper under them keeps lines out of the letters."""
    colour = "var(--paper)" if halo else "var(--ink)"
    stroke = {"stroke": "var(--paper)", "strokeWidth": 4} if halo else {}
    mark = base.transform_filter(f"datum.side === '{side}'").mark_text(
        align=side, dx=12 if side == "left" else -12, baseline="middle", limit=130, **stroke
    )
    return mark.encode(y=alt.Y("label_y:Q"), text=alt.Text("label:N"), color=alt.ColorValue(colour), opacity=opacity())
