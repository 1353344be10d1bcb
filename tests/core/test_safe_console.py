"""Control characters in names are shown; the console's own are sent."""

from __future__ import annotations

import io

import pytest
from rich.table import Table

from brinell.core.safe_console import SafeConsole, escape_controls

ATTACKS = {
    "\x1b]0;owned\x07": r"\x1b]0;owned\x07",
    "\x1b[2J\x1b[31mred": r"\x1b[2J\x1b[31mred",
    "\x9b31m": r"\x9b31m",
    "a\rb": r"a\rb",
    "a\x08b": r"a\x08b",
    "right\u202eleft": r"right\u202eleft",
    "half\udc80": r"half\udc80",
}


@pytest.mark.parametrize("text", ATTACKS)
def test_what_a_terminal_obeys_is_shown(text: str) -> None:
    assert escape_controls(text) == ATTACKS[text]
    assert escape_controls("tab\tnewline\n\N{LATIN SMALL LETTER U WITH DIAERESIS}") == "tab\tnewline\n\u00fc"
    for options in ({}, {"markup": False, "soft_wrap": True}):
        file = io.StringIO()
        SafeConsole(file=file, force_terminal=True, color_system=None, width=200).print(text, **options)
        assert file.getvalue().rstrip("\n") == ATTACKS[text]


def test_tables_and_titles_too_and_colours_stay() -> None:
    file = io.StringIO()
    console = SafeConsole(file=file, force_terminal=True, color_system="standard", width=100)
    table = Table("\x1b]0;x\x07")
    table.add_row("\x1b[2J")
    console.print(table)
    console.print("[red]red[/]")
    assert "\x1b]0" not in file.getvalue()
    assert "\x1b[2J" not in file.getvalue()
    assert "\x1b[31mred" in file.getvalue()
