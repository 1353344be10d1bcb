"""Tables as pictures: SVG for a slide or a page that takes no LaTeX."""

from __future__ import annotations

from html import escape

from brinell.reporting.drawing.palette import LIGHT
from brinell.reporting.table import Cell, Table

SIZE, LINE, GAP, MARGIN = 12, 16, 22, 18
_WIDE, _NARROW = 0.6, 0.5
"""Width of a sign in units of the size: in rows, and in the notes under them."""


def svg(table: Table) -> str:
    """The table as the page shows it, without what is drawn inside cells."""
    kept = [place for place in range(len(table.columns)) if not any(row[place].gauge for row in table.summary_rows)]
    heads = [[table.columns[place].title, *filter(None, [table.columns[place].below])] for place in kept]
    rows = [[_lines(row[place]) for place in kept] for row in table.summary_rows]
    widths = [
        max(_width(lines) for lines in (heads[place], *(row[place] for row in rows))) for place in range(len(kept))
    ]
    lefts = [MARGIN + sum(widths[:place]) + GAP * place for place in range(len(kept))]
    numeric = [table.columns[place].numeric for place in kept]
    parts = [_text(MARGIN, MARGIN + SIZE, table.title, "ink", bold=True)]
    top: float = MARGIN + 2 * LINE
    top = _line(parts, heads, lefts, widths, numeric, top, head=True)
    end = max((left + width for left, width in zip(lefts, widths, strict=True)), default=MARGIN)
    parts.append(_rule(MARGIN, end, top, "ink"))
    for row in rows:
        top = _line(parts, row, lefts, widths, numeric, top + 4, head=False)
        parts.append(_rule(MARGIN, end, top, "line"))
    width, height = end + MARGIN, top + MARGIN
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" font-size="{SIZE}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" font-family="Helvetica, Arial, sans-serif">\n'
        f'<rect width="100%" height="100%" fill="{LIGHT["paper"]}"/>\n{body}\n</svg>\n'
    )


def _lines(cell: Cell) -> list[str]:
    return [*cell.text.splitlines(), *cell.note.splitlines()] or [""]


def _width(lines: list[str]) -> float:
    return max(SIZE * len(line) * (_NARROW if place else _WIDE) for place, line in enumerate(lines))


def _line(
    parts: list[str],
    cells: list[list[str]],
    lefts: list[float],
    widths: list[float],
    numeric: list[bool],
    top: float,
    *,
    head: bool,
) -> float:
    for lines, left, width, right in zip(cells, lefts, widths, numeric, strict=True):
        for place, line in enumerate(lines):
            x = left + width if right else left
            colour = "muted" if head or place else "ink"
            parts.append(_text(x, top + SIZE + place * LINE, line, colour, right=right, small=place > 0))
    return top + 4 + LINE * max((len(lines) for lines in cells), default=1)


def _text(
    x: float, y: float, text: str, colour: str, *, bold: bool = False, right: bool = False, small: bool = False
) -> str:
    more = (' font-weight="600"' if bold else "") + (' text-anchor="end"' if right else "")
    more += f' font-size="{SIZE - 2}"' if small else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{LIGHT[colour]}"{more}>{escape(text)}</text>'


def _rule(left: float, right: float, y: float, colour: str) -> str:
    return f'<path d="M{left:.1f} {y:.1f}H{right:.1f}" stroke="{LIGHT[colour]}"/>'
