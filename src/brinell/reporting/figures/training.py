"""How each variant was trained: loss, and accuracy on the examples held out, epoch by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from brinell.analysis import Evaluation
from brinell.reporting.drawing.chart import ROWS, Figure, Panel, hit_area, opacity, panel, scales, shown
from brinell.reporting.drawing.palette import Style


def figure(evaluation: Evaluation, styles: Mapping[str, Style]) -> Figure | None:
    """Two panels; `None` where nothing was trained."""
    frame = evaluation.training
    if frame.is_empty():
        return None
    rows = frame.to_dicts()
    sides: list[tuple[str, str, str | None]] = [("Loss", "loss", None)]
    if frame["accuracy"].null_count() < len(frame):
        sides.append(("Accuracy on what was held out", "accuracy", ".0%"))
    minutes = (frame["seconds"].sum() or 0.0) / 60
    took = f"{minutes / 60:.1f} hours" if minutes >= 60 else f"{minutes:.1f} minutes"
    return Figure(
        name="training",
        section="training",
        title="How they were made",
        reading="Each epoch of all stages of a variant's training. Losses of different techniques are different "
        "functions and cannot be compared.",
        made=f"{frame.height:,} epochs, {took} in all. Settings are in the study's file.",
        alt="Training loss and held-out accuracy over epochs, one line for each variant.",
        panels=tuple(_panel(*side, rows, styles, legend=False) for side in sides),
        sheet=tuple(_panel(*side, rows, styles, legend=True) for side in sides),
        frame=frame,
    )


def _panel(
    title: str,
    field: str,
    form: str | None,
    rows: Sequence[Mapping[str, Any]],
    styles: Mapping[str, Style],
    *,
    legend: bool,
) -> Panel:
    keys = scales(styles, legend=legend)
    axis = alt.Axis(tickCount=5) if form is None else alt.Axis(tickCount=5, format=form)
    base = (
        alt.Chart()
        .transform_filter(f"isValid(datum.{field})")
        .encode(
            x=alt.X(
                "total_epoch:Q", title="epoch", axis=alt.Axis(tickMinStep=1, tickCount=6), scale=alt.Scale(nice=False)
            ),
            y=alt.Y(f"{field}:Q", title=None, axis=axis, scale=alt.Scale(zero=form is None)),
            color=keys["color"],
        )
    )
    tooltip = [
        alt.Tooltip("variant:N"),
        alt.Tooltip("stage:N"),
        alt.Tooltip("epoch:Q"),
        alt.Tooltip("loss:Q", format=".4g"),
        alt.Tooltip("accuracy:Q", format=".1%"),
        alt.Tooltip("learning_rate:Q", title="learning rate", format=".2g"),
    ]
    lines = base.mark_line(strokeWidth=1.8, strokeJoin="round").encode(opacity=opacity())
    dots = base.mark_point(filled=True, size=30, stroke="var(--paper)", strokeWidth=1).encode(
        shape=keys["shape"], opacity=opacity()
    )
    marks = alt.layer(lines, dots, *hit_area(base, 200, tooltip, legend=legend), data=ROWS)
    return panel(title, shown(marks, at=False), rows)
