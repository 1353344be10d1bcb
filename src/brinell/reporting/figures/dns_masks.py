"""Dynamic network surgery (robustness paper, algorithm 1): what is left, and what was pruned and spliced on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from brinell.analysis import Evaluation
from brinell.reporting.drawing.chart import ROWS, Figure, Panel, hit_area, opacity, panel, scales, shown
from brinell.reporting.drawing.palette import Style
from brinell.reporting.formats import pluralize

CHANGES = (("pruned", [1, 0]), ("spliced", [5, 3]))


def figure(evaluation: Evaluation, styles: Mapping[str, Style]) -> Figure | None:
    """Two panels a phase; `None` where no masks were trained behind."""
    every = evaluation.compressor_logs.surgeries
    if every.is_empty():
        return None
    phases = [
        (f", phase {phase}" if every["phase"].n_unique() > 1 else "", frame.to_dicts())
        for (phase,), frame in every.sort("phase", maintain_order=True).group_by("phase", maintain_order=True)
    ]
    return Figure(
        name="surgery",
        section="dns",
        title="Dynamic network surgery",
        reading="The remaining weights, and how many were pruned (solid) and restored (dashed) between "
        "points. The first point is the first pruning; the last change meets the requested number of weights, if any, "
        "and masks are then fixed. If convolutions and linear layers are pruned in turn, they are "
        "phases 1 and 2.",
        made=f"{pluralize(every['variant'].n_unique(), 'variant')}; at most 40 points a phase, over all of its layers.",
        alt="Weights left, pruned and spliced over the steps of the training, one line for each variant.",
        panels=tuple(part for name, rows in phases for part in _pair(name, rows, styles, legend=False)),
        sheet=tuple(part for name, rows in phases for part in _pair(name, rows, styles, legend=True)),
        frame=every,
    )


def _pair(name: str, rows: Sequence[Mapping[str, Any]], styles: Mapping[str, Style], *, legend: bool) -> list[Panel]:
    axis = alt.Axis(format=".0%", tickCount=5)
    share = alt.Y("left_share:Q", title="of the weights", axis=axis, scale=alt.Scale(zero=True))
    counts = [
        alt.Y(
            f"{field}:Q",
            title="weights, logarithmic",
            axis=alt.Axis(labelExpr="format(datum.value, '~s')", values=_ticks(rows)),
            scale=alt.Scale(type="symlog"),
        )
        for field, _ in CHANGES
    ]
    left = _curves(share, styles, dash=[1, 0], legend=legend)
    changes = [_curves(y, styles, dash=dash, legend=legend) for y, (_, dash) in zip(counts, CHANGES, strict=True)]
    return [
        panel(f"Weights left{name}", shown(left, at=False), rows),
        panel(f"Pruned and spliced{name}", shown(alt.layer(*changes, data=ROWS), at=False), rows),
    ]


def _ticks(rows: Sequence[Mapping[str, Any]]) -> list[int]:
    """0, and powers of ten as far as the counts go."""
    most = max(row[field] for row in rows for field, _ in CHANGES)
    return [0, *(10**power for power in range(len(str(most))))]


def _curves(y: alt.Y, styles: Mapping[str, Style], *, dash: list[int], legend: bool) -> Any:
    keys = scales(styles, legend=legend)
    x = alt.X("step:Q", axis=alt.Axis(tickCount=6, tickMinStep=1), scale=alt.Scale(nice=False))
    base = alt.Chart().encode(x=x, y=y, color=keys["color"])
    tooltip = [
        alt.Tooltip("variant:N"),
        alt.Tooltip("step:Q", title="from step", format=","),
        alt.Tooltip("pruned:Q", format=","),
        alt.Tooltip("spliced:Q", format=","),
        alt.Tooltip("left:Q", format=","),
        alt.Tooltip("left_share:Q", title="share left", format=".2%"),
    ]
    lines = base.mark_line(strokeWidth=1.6, strokeDash=dash, strokeJoin="round").encode(opacity=opacity())
    dots = base.mark_point(filled=True, size=22, stroke="var(--paper)", strokeWidth=0.5).encode(
        shape=keys["shape"], opacity=opacity()
    )
    return alt.layer(lines, dots, *hit_area(base, 160, tooltip, legend=legend), data=ROWS)
