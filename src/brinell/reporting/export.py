"""Figures and tables as files of their own: SVG and PDF, CSV and LaTeX."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import vl_convert

from brinell.core import content_key
from brinell.reporting.chart import Figure, for_file
from brinell.reporting.latex import latex
from brinell.reporting.table import Table
from brinell.reporting.theme import plain
from brinell.store import write_bytes, write_text


def write_figure(figure: Figure, folder: Path) -> None:
    """`<name>.svg`, `<name>.pdf` and the numbers behind it, `<name>.csv`."""
    svg = vl_convert.vegalite_to_svg(plain(for_file(figure)), allowed_base_urls=[])
    write_text(folder / f"{figure.name}.svg", svg)
    write_bytes(folder / f"{figure.name}.pdf", vl_convert.svg_to_pdf(svg))
    write_text(folder / f"{figure.name}.csv", csv(figure.frame))


def write_table(table: Table, folder: Path) -> None:
    """`<name>.csv` with unrounded numbers, and `<name>.tex` as the page shows it."""
    write_text(folder / f"{slug(table.name)}.csv", csv(table.frame))
    write_text(folder / f"{slug(table.name)}.tex", latex(table))


def csv(frame: pl.DataFrame) -> str:
    """Unrounded; what is not known is empty, lists are joined by blanks."""
    lists = [name for name, kind in frame.schema.items() if isinstance(kind, pl.List)]
    return frame.with_columns(pl.col(name).list.join(" ") for name in lists).write_csv()


def slug(name: str) -> str:
    """A file name made of what every system takes; different names keep different files."""
    safe = re.sub(r"[^A-Za-z0-9.+-]+", "_", name)[:80]
    return safe if safe == name else f"{safe}-{content_key('file name', name=name)[:6]}"
