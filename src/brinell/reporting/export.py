"""Figures, tables and image grids as files of their own: SVG, PDF, CSV and LaTeX, each with what made it."""

from __future__ import annotations

import re
from html import escape

import polars as pl
import vl_convert

from brinell.core import content_key
from brinell.reporting import image_grid
from brinell.reporting.drawing import table_svg
from brinell.reporting.drawing.chart import Figure, for_file
from brinell.reporting.drawing.theme import resolve_colours
from brinell.reporting.image_grid import ImageGrid
from brinell.reporting.latex import float_of, latex
from brinell.reporting.table import Table

Exhibit = Figure | Table | ImageGrid
KINDS = ("svg", "pdf", "csv", "tex")


def folder_of(exhibit: Exhibit) -> str:
    """Where its files lie in the report's folder."""
    return "tables" if isinstance(exhibit, Table) else "figures"


def caption(exhibit: Exhibit) -> str:
    """How to read it and what made it."""
    return exhibit.caption if isinstance(exhibit, Table) else f"{exhibit.reading} {exhibit.made}"


def exhibit_files(exhibit: Exhibit, command: str) -> dict[str, bytes]:
    """The exhibit as SVG, PDF, CSV (unrounded numbers) and LaTeX, by their names in the report's folder.

    `command` is what made it.
    """
    stem = slug(exhibit.name)
    picture = _legal(_described(_svg(exhibit), f"{exhibit.title}. {caption(exhibit)} Made by: {command}"))
    text = latex(exhibit) if isinstance(exhibit, Table) else float_of(stem, exhibit.title, caption(exhibit))
    contents = {
        "svg": picture.encode(),
        "pdf": vl_convert.svg_to_pdf(picture),
        "csv": csv(exhibit.frame).encode(),
        "tex": f"% made by: {_one_line(command)}\n% {_one_line(caption(exhibit))}\n{text}".encode(),
    }
    return {f"{folder_of(exhibit)}/{stem}.{kind}": contents[kind] for kind in KINDS}


def _svg(exhibit: Exhibit) -> str:
    if isinstance(exhibit, Figure):
        found: str = vl_convert.vegalite_to_svg(resolve_colours(for_file(exhibit)), allowed_base_urls=[])
        return found
    return table_svg.svg(exhibit) if isinstance(exhibit, Table) else image_grid.svg(exhibit)


def _described(svg: str, text: str) -> str:
    """The picture with a description, the first thing inside its element."""
    end = svg.index(">", svg.index("<svg")) + 1
    return f"{svg[:end]}<desc>{escape(text)}</desc>{svg[end:]}"


def _legal(svg: str) -> str:
    """Without the characters that XML knows no way to write; settings and folders may hold them."""
    return re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]", "\ufffd", svg)


def _one_line(text: str) -> str:
    return re.sub(r"\s*[\r\n]\s*", " ", text)


def csv(frame: pl.DataFrame) -> str:
    """Unrounded; what is not known is empty, lists are joined by blanks."""
    lists = [name for name, kind in frame.schema.items() if isinstance(kind, pl.List)]
    return frame.with_columns(pl.col(name).cast(pl.List(pl.String)).list.join(" ") for name in lists).write_csv()


def slug(name: str) -> str:
    """A file name made of what every system takes; different names keep different files."""
    safe = re.sub(r"^\.+|[^A-Za-z0-9.+-]+", "_", name)[:80]
    return safe if safe == name != "" else f"{safe}-{content_key('file name', name=name)[:6]}"
