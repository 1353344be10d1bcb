"""What pruning leaves of each layer: the rates chosen, against uniform ones, and the weights that are left."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import altair as alt
import polars as pl

from brinell.analysis import Evaluation
from brinell.reporting.describe import group_by_baseline
from brinell.reporting.drawing.chart import ROWS, Figure, Panel, hit_area, opacity, panel, scales, shown
from brinell.reporting.drawing.palette import Style
from brinell.reporting.formats import percent

LABEL, NAMED = 92, 20
"""Pixels of a layer's name under the axis, and names there at most."""
SHARES = (("units", "Units kept"), ("weights", "Weights kept"))


def figure(evaluation: Evaluation, styles: Mapping[str, Style]) -> Figure | None:
    """Two panels a network; `None` where nothing was pruned."""
    every, searched = evaluation.compressor_logs.rates, frozenset(evaluation.compressor_logs.searches["variant"])
    parts = [
        (f"{title}{f' on {network}' if network else ''}", field, chosen)
        for network, family in group_by_baseline(evaluation)
        for field, title in SHARES
        if not (chosen := every.filter(pl.col("variant").is_in(family), pl.col(field).is_not_null())).is_empty()
    ]
    if not parts:
        return None
    return Figure(
        name="rates",
        section="rates",
        order=1,
        title="What each layer keeps",
        reading="Layer by layer, from the input to the output. Units are what was pruned: weights, kernels, filters or "
        "channels; removing channels also removes weights of the next layer. A dashed line is the uniform rate of the "
        "same budget, if rates were searched for.",
        made="As recorded by the compressors; the CSV file has the rates by layer.",
        alt="Share kept of each layer, one line for each pruned variant.",
        panels=tuple(_panel(title, field, frame, searched, styles, legend=False) for title, field, frame in parts),
        sheet=tuple(_panel(title, field, frame, searched, styles, legend=True) for title, field, frame in parts),
        frame=every,
        height=330,
    )


def _panel(
    title: str,
    field: str,
    frame: pl.DataFrame,
    searched: Collection[str],
    styles: Mapping[str, Style],
    *,
    legend: bool,
) -> Panel:
    keys = scales(styles, legend=legend)
    order = _order(frame)
    named = dict(zip(order, _short(order), strict=True))
    rows = [
        {**row, "short": named[row["layer"]], "alike": _alike(row, searched)} for row in frame.iter_rows(named=True)
    ]
    names = list(named.values())
    ticks = names[:: math.ceil(len(names) / NAMED)]
    x = alt.X(
        "short:N",
        title=None,
        scale=alt.Scale(domain=names),
        axis=alt.Axis(labelAngle=-40, labelLimit=LABEL, labelOverlap=False, grid=False, values=ticks),
    )
    axis = alt.Axis(format=".0%", tickCount=5)
    y = alt.Y(f"{field}:Q", title=None, axis=axis, scale=alt.Scale(domain=[0, 1]))
    base = alt.Chart().encode(x=x, y=y, color=keys["color"])
    tooltip = [alt.Tooltip("variant:N"), alt.Tooltip("layer:N")]
    if field == "units":
        tooltip += [alt.Tooltip("units:Q", title="units kept", format=".1%"), alt.Tooltip("alike:N", title="uniform")]
    tooltip.append(alt.Tooltip("weights:Q", title="weights kept", format=".1%"))
    lines = base.mark_line(strokeWidth=1.8, strokeJoin="round").encode(opacity=opacity())
    dots = base.mark_point(filled=True, size=46, stroke="var(--paper)", strokeWidth=1).encode(
        shape=keys["shape"], opacity=opacity()
    )
    alike = base.transform_filter("isValid(datum.uniform)").mark_line(strokeWidth=1.4, strokeDash=[5, 3])
    uniform = [alike.encode(y=alt.Y("uniform:Q"), opacity=opacity())] if field == "units" else []
    marks = alt.layer(*uniform, lines, dots, *hit_area(base, 200, tooltip, legend=legend), data=ROWS)
    return panel(title, shown(marks, at=False), rows)


def _alike(row: Mapping[str, Any], searched: Collection[str]) -> str:
    """The uniform rate in words: there is one to compare with only where rates were searched for."""
    return percent(row["uniform"]) if row["variant"] in searched else "not searched for"


def _order(frame: pl.DataFrame) -> list[str]:
    """Layers as the variant has them that has the most, and what only others have after."""
    of_variant: Iterable[list[str]] = (
        part["layer"].to_list() for _, part in frame.group_by("variant", maintain_order=True)
    )
    return list(dict.fromkeys(layer for layers in sorted(of_variant, key=len, reverse=True) for layer in layers))


def _short(layers: Sequence[str]) -> list[str]:
    """Names without the modules that all of them lie in."""
    parts = [layer.split(".") for layer in layers]
    shared = 0
    while all(len(part) > shared + 1 and part[shared] == parts[0][shared] for part in parts):
        shared += 1
    return [".".join(part[shared:]) for part in parts]
