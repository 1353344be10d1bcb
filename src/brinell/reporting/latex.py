"""Tables as LaTeX sets them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from brinell.reporting.table import Cell, Table

_SIGNS: Final = {
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": "$<$",
    ">": "$>$",
    "\u00b1": r"$\pm$",
    "\u00b7": r"$\cdot$",
    "\u00d7": r"$\times$",
    "\u2013": "--",
    "\u2026": r"\ldots{}",
    "\u2076": r"\textsuperscript{6}",
    "\u2192": r"$\to$",
    "\u202f": r"\,",
    "\u2212": "$-$",
}


def latex(table: Table) -> str:
    """A `table` for booktabs, with the caption; what is drawn inside cells is left out."""
    kept = [place for place in range(len(table.columns)) if not any(row[place].gauge for row in table.summary_rows)]
    align = "".join("r" if table.columns[place].numeric else "l" for place in kept)
    lines = [
        r"% needs \usepackage{booktabs}",
        r"\begin{table}",
        rf"\caption{{{escape(table.caption)}}}",
        rf"\begin{{tabular}}{{{align}}}",
        r"\toprule",
        _line(escape(table.columns[place].text) for place in kept),
        r"\midrule",
        *(_line(_said(row[place]) for place in kept) for row in table.summary_rows),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def float_of(file: str, title: str, caption: str) -> str:
    """A `figure` that includes the PDF file of the name `file`."""
    lines = [
        r"% needs \usepackage{graphicx}",
        r"\begin{figure}",
        rf"\includegraphics[width=\linewidth]{{{file}.pdf}}",
        rf"\caption{{{escape(title)}. {escape(caption)}}}",
        r"\end{figure}",
    ]
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """`text` as LaTeX sets it, sign by sign."""
    return "".join(_SIGNS.get(sign, sign) for sign in text)


def _line(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"


def _said(cell: Cell) -> str:
    note = f" ({' '.join(cell.note.split())})" if cell.note and cell.variant is None else ""
    return escape(cell.text + note)
