"""A small table in HTML, for notebooks."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape


def html_table(figures: Mapping[str, str]) -> str:
    """Names beside their values, one a row; both are escaped."""
    rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in figures.items())
    return f"<table>{rows}</table>"
