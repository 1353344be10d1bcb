"""Plates: pictures in rows, one row a variant; for the page, and as files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import ClassVar

import polars as pl

from brinell.reporting.drawing.palette import LIGHT
from brinell.reporting.formats import elided

SIDE, GAP, HEAD, LINE = 96, 18, 40, 15
"""Pixels of a file's pictures, of what is between them, of its heads, and of a line of text."""


@dataclass(frozen=True)
class Picture:
    """A picture (a `data:` address), its shape, and what stands under it."""

    uri: str
    lines: tuple[str, ...]
    alt: str
    tall: float = 1.0
    """Height over width."""


@dataclass(frozen=True)
class Row:
    """A variant's pictures; `None` where one is missing."""

    variant: str
    note: str
    pictures: tuple[Picture | None, ...]


@dataclass(frozen=True)
class ImageGrid:
    """Rows of pictures; `heads` stand over the columns, where these mean something."""

    kind: ClassVar[str] = "image_grid"

    name: str
    section: str
    """One of `layout.SECTIONS`."""
    title: str
    reading: str
    made: str
    heads: tuple[str, ...]
    rows: tuple[Row, ...]
    frame: pl.DataFrame
    order: int = 0
    """Its place within the section, smaller first."""

    @property
    def columns(self) -> int:
        """Pictures of the longest row."""
        return max((len(row.pictures) for row in self.rows), default=1) or 1


def svg(grid: ImageGrid) -> str:
    """The grid as one SVG file, pictures inside."""
    width = GAP + grid.columns * (SIDE + GAP)
    parts, top = [], HEAD
    for place, head in enumerate(grid.heads):
        parts.append(_text(GAP + place * (SIDE + GAP), top - 12, head, "muted"))
    for row in grid.rows:
        parts.append(_text(GAP, top + 4, elided(row.variant, 60), "ink", bold=True))
        drawn, height = _row(row, top + LINE)
        parts += drawn
        top += LINE + height + GAP
    body = "\n".join(parts)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'width="{width}" height="{top}" viewBox="0 0 {width} {top}" '
        'font-family="Helvetica, Arial, sans-serif" font-size="11">\n'
        f'<rect width="100%" height="100%" fill="{LIGHT["paper"]}"/>\n{body}\n</svg>\n'
    )


def _row(row: Row, top: int) -> tuple[list[str], int]:
    parts: list[str] = []
    height = LINE
    for place, picture in enumerate(row.pictures):
        left = GAP + place * (SIDE + GAP)
        if picture is None:
            parts.append(_text(left, top + LINE, "missing", "muted"))
            continue
        tall = round(SIDE * picture.tall)
        parts.append(
            f'<image x="{left}" y="{top}" width="{SIDE}" height="{tall}" preserveAspectRatio="none" '
            f'style="image-rendering: pixelated" xlink:href="{picture.uri}"/>'
        )
        parts += list(_lines(picture, left, top + tall))
        height = max(height, tall + LINE * len(picture.lines) + 4)
    return parts, height


def _lines(picture: Picture, left: int, top: int) -> Iterator[str]:
    for place, line in enumerate(picture.lines):
        yield _text(left, top + LINE * (place + 1) - 1, elided(line, 20), "muted" if place else "ink")


def _text(x: int, y: int, text: str, colour: str, *, bold: bool = False) -> str:
    weight = ' font-weight="600"' if bold else ""
    return f'<text x="{x}" y="{y}" fill="{LIGHT[colour]}"{weight}>{escape(text)}</text>'
