"""The look of every chart: quiet axes, no frames; colours are CSS variables, so that they follow the page."""

from __future__ import annotations

import json
import re
from typing import Any

from brinell.reporting.drawing.palette import LIGHT

FONT = '-apple-system, "Segoe UI", Inter, Roboto, "Helvetica Neue", "Liberation Sans", Arial, sans-serif'
EXTENT = 40
"""Pixels kept for the labels of a vertical axis, so that panels of one row line up."""

_AXIS = {
    "domain": False,
    "ticks": False,
    "grid": True,
    "gridColor": "var(--line)",
    "gridWidth": 1,
    "labelColor": "var(--muted)",
    "labelFontSize": 11.5,
    "labelPadding": 8,
    "titleColor": "var(--muted)",
    "titleFontSize": 11.5,
    "titleFontWeight": "normal",
}

CONFIG: dict[str, Any] = {
    "background": None,
    "font": FONT,
    "padding": {"left": 2, "right": 12, "top": 6, "bottom": 2},
    "view": {"stroke": None},
    "axis": _AXIS,
    "axisX": {"grid": False, "domain": True, "domainColor": "var(--faint)", "titlePadding": 10, "titleAnchor": "end"},
    "axisY": {
        "minExtent": EXTENT,
        "maxExtent": EXTENT,
        "titleAngle": 0,
        "titleAlign": "left",
        "titleAnchor": "end",
        "titleBaseline": "bottom",
        "titleX": -EXTENT,
        "titleY": -10,
    },
    "legend": {
        "labelColor": "var(--ink)",
        "labelFontSize": 11.5,
        "labelLimit": 220,
        "symbolSize": 70,
        "symbolOpacity": 1,
        "symbolStrokeWidth": 1.5,
        "title": None,
    },
    "title": {"anchor": "start", "color": "var(--ink)", "fontSize": 13, "fontWeight": 600, "offset": 22},
    "concat": {"spacing": 36},
    "text": {"color": "var(--ink)", "fontSize": 11.5},
}


def resolve_colours(spec: dict[str, Any]) -> dict[str, Any]:
    """A chart for files of its own: CSS variables become the light page's colours, and paper is white."""
    text = re.sub(r"var\(--([a-z]+)\)", lambda match: LIGHT.get(match[1], match[0]), json.dumps(spec))
    found: dict[str, Any] = json.loads(text)
    config = {**found.get("config", {}), "background": LIGHT["paper"], "font": "Helvetica, Arial, sans-serif"}
    return {**found, "config": config, "padding": 18}
