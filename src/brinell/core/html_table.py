"""A small table in HTML, for notebooks."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape


def html_table(figures: Mapping[str, str]) -> str:
    """Names beside their values, one a row; both are escaped.

    Args:
        figures: Values by name, in the order of the rows.

    Returns:
        A `<table>`, as notebooks show it.

    Examples:
        >>> html_table({"accuracy": "> 90 %"})
        '<table><tr><th>accuracy</th><td>&gt; 90 %</td></tr></table>'
    """
    rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in figures.items())
    return f"<table>{rows}</table>"
