"""A terminal on which names from files are shown and never obeyed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

_OBEYED: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters but tab and newline, marks that turn the direction of text, and halves of characters."""


def escape_controls(text: str) -> str:
    """The text with control characters as escapes, such as `\\x1b`: a terminal obeys them, and some write files."""
    return _OBEYED.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


class SafeConsole(Console):
    """A console whose own control codes are sent, and those in what it prints are shown."""

    def render_str(self, text: str, **options: Any) -> Text:
        """As `Console.render_str`, which leaves some control characters out, of an escaped text."""
        return super().render_str(escape_controls(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """As `Console.render`, with escaped texts."""
        for segment in super().render(renderable, options):
            text, style, control = segment
            yield segment if control else Segment(escape_controls(text), style)
