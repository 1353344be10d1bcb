"""What figures share: panels, the marks that every chart has, and how a panel becomes a chart for page or file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import altair as alt
import polars as pl

from brinell.reporting.drawing.palette import Style
from brinell.reporting.drawing.theme import CONFIG

HIDDEN, FOCUS, AT = "hidden", "focus", "at"
"""Signals that the page sets on every chart: variants not shown, the one pointed at, the strength chosen."""

_PLACE = {"name": "rows"}
ROWS = alt.NamedData("rows")
"""Stands for a panel's rows while its chart is built: Altair copies what it holds at every turn."""

BY_FOCUS = f"{FOCUS} === '' || {FOCUS} === datum.variant"
FADED = 0.12
_WIDE: Final = 3.0
"""Factor between the ends of an axis above which it is logarithmic: under it, round numbers are too rare."""


@dataclass(frozen=True)
class Panel:
    """One chart of a figure; `spec` is Vega-Lite without a size."""

    title: str
    spec: dict[str, Any]


@dataclass(frozen=True)
class PickOption:
    """One value of what a reader may choose for a figure, such as a radius."""

    value: str
    label: str


@dataclass(frozen=True)
class Figure:
    """A figure for the page and for files: what it shows, how to read it, what made it, and its numbers."""

    kind: ClassVar[str] = "figure"

    name: str
    section: str
    """One of `layout.SECTIONS`."""
    title: str
    reading: str
    """How to read it."""
    made: str
    """Settings, examples and seeds behind it."""
    alt: str
    panels: tuple[Panel, ...]
    """For the page; they react to `HIDDEN`, `FOCUS` and `AT`."""
    sheet: tuple[Panel, ...]
    """For files: the same with nothing left to choose."""
    frame: pl.DataFrame
    height: int = 260
    columns: int = 2
    width: int = 320
    """Of a panel in a file; on the page panels take what room there is."""
    picks: tuple[PickOption, ...] = ()
    picked: str = ""
    pick_title: str = ""
    lead: bool = False
    """Whether the first panel is as wide as the page lets it be, and the others stand under it."""
    order: int = 0
    """Its place within the section, smaller first."""


def scales(styles: Mapping[str, Style], *, legend: bool) -> dict[str, Any]:
    """Colour and shape by variant, with a legend in files; on the page the picker is the legend."""
    names = list(styles)
    key = alt.Legend(columns=4, orient="bottom", offset=18) if legend else None
    return {
        "color": alt.Color(
            "variant:N", scale=alt.Scale(domain=names, range=[style.css for style in styles.values()]), legend=key
        ),
        "shape": alt.Shape(
            "variant:N", scale=alt.Scale(domain=names, range=[style.shape for style in styles.values()]), legend=key
        ),
    }


def opacity(value: float = 1.0) -> Any:
    """Full, or faded while another variant is pointed at."""
    return alt.OpacityValue(FADED * value, condition={"test": BY_FOCUS, "value": value})


def shown(chart: Any, *, at: bool) -> Any:
    """Only the variants that are picked, and with `at` only the strength that is; `chart` has data of its own."""
    chart = chart.transform_filter(f"indexof({HIDDEN}, datum.variant) < 0")
    return chart.transform_filter(f"datum.at === {AT}") if at else chart


def breaking_rule(line: float) -> Any:
    """The breaking line: accuracy of random guessing."""
    rule = alt.Chart(alt.InlineData(values=[{"y": line, "text": f"breaking line, {100 * line:.3g}%"}]))
    mark = rule.mark_rule(color="var(--ink)", strokeDash=[1, 3], strokeWidth=1.2).encode(y=alt.Y("y:Q"))
    text = rule.mark_text(align="left", x=0, dx=4, dy=-7, fontSize=10.5, color="var(--muted)")
    return mark + text.encode(y=alt.Y("y:Q"), text=alt.Text("text:N"))


def hit_area(base: Any, size: int, tooltip: list[alt.Tooltip], *, legend: bool) -> list[Any]:
    """An unseen mark round each point, so that a finger hits it; files have nothing to point with."""
    return [] if legend else [base.mark_point(filled=True, size=size, opacity=0.001).encode(tooltip=tooltip)]


def log_ticks(low: float, high: float) -> list[float]:
    """1, 2, 5, 10, ... of what lies between; powers of ten alone where they are many."""
    decades = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
    steps = (1,) if high / low > 1e4 else (1, 3) if high / low > 100 else (1, 2, 5)
    return [step * 10.0**decade for decade in decades for step in steps]


def ratio_axis(title: str, ratios: Sequence[float]) -> alt.X:
    """The axis of the field `ratio`; logarithmic where the ratios differ much."""
    low, high = min(ratios), max(ratios)
    wide = high > _WIDE * low
    return alt.X(
        "ratio:Q",
        title=title,
        scale=alt.Scale(type="log" if wide else "linear", domain=[low / 1.1, high * 1.1], nice=False),
        axis=alt.Axis(values=log_ticks(low, high), format="~g") if wide else alt.Axis(format="~g", tickCount=5),
    )


def panel(title: str, chart: Any, rows: Sequence[Mapping[str, Any]]) -> Panel:
    """A chart without a size as a panel, with `rows` where it says `ROWS`."""
    with alt.data_transformers.enable(consolidate_datasets=False):  # named data sets cannot be put side by side
        spec = chart.to_dict(validate=False)  # the schema takes seconds to check what vl-convert checks anyway
    spec.pop("config", None)  # Altair's own default size
    return Panel(title, _filled(spec, {"values": [_finite(row) for row in rows]}))


def _finite(row: Mapping[str, Any]) -> dict[str, Any]:
    """JSON has no NaN: a number that is not finite is unknown."""
    odd = {name for name, value in row.items() if isinstance(value, float) and not math.isfinite(value)}
    return {name: None if name in odd else value for name, value in row.items()}


def _filled(part: Any, values: dict[str, Any]) -> Any:
    if part == _PLACE:
        return values
    if isinstance(part, dict):
        return {name: _filled(value, values) for name, value in part.items()}
    return [_filled(value, values) for value in part] if isinstance(part, list) else part


def for_page(figure: Figure) -> list[dict[str, Any]]:
    """A chart for each panel, as wide as the page lets it be."""
    config = {**CONFIG, "customFormatTypes": True}
    return [
        {
            **_said(part.spec),
            "params": _signals(figure),
            "width": "container",
            "height": figure.height,
            "autosize": {"type": "fit-x", "contains": "padding"},
            "config": config,
            "description": f"{part.title}. {figure.alt}" if part.title else figure.alt,
        }
        for part in figure.panels
    ]


def _said(part: Any) -> Any:
    """The page's own formatter for the numbers of every tooltip: Vega's writes 0 for what is missing."""
    if isinstance(part, list):
        return [_said(value) for value in part]
    if not isinstance(part, dict):
        return part
    found = {name: value if name == "values" else _said(value) for name, value in part.items()}
    for tip in found.get("tooltip", []) if isinstance(found.get("tooltip"), list) else []:
        if tip.get("type") == "quantitative":
            tip["formatType"] = "said"
    return found


def for_file(figure: Figure) -> dict[str, Any]:
    """All panels on one sheet."""
    size = {"width": figure.width, "height": figure.height - 30}
    panels = [{**part.spec, **size, "title": part.title} for part in figure.sheet]
    for spec in panels:
        spec.pop("$schema")
    return {
        "$schema": alt.SCHEMA_URL,
        "params": _signals(figure),
        "concat": panels,
        "columns": figure.columns,
        "resolve": {"scale": {"color": "shared", "shape": "shared"}},
        "config": CONFIG,
    }


def _signals(figure: Figure) -> list[dict[str, Any]]:
    return [{"name": HIDDEN, "value": []}, {"name": FOCUS, "value": ""}, {"name": AT, "value": figure.picked}]
