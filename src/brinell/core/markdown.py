"""Markdown that shows names and texts as they are: they may come from a stranger's run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from brinell.core.records import printable

_SPECIAL: Final = re.compile(r"([\\`*_\[\]<>|#@])")


def escaped(text: str) -> str:
    """The text on one line, without effect on its surroundings."""
    return _SPECIAL.sub(r"\\\1", printable(text.replace("\n", " ")))


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of escaped cells; no text where it has no rows."""
    body = [f"| {' | '.join(escaped(cell) for cell in row)} |" for row in rows]
    if not body:
        return ""
    return "\n".join([f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *body])
