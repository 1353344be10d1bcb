"""Where things are printed, and the options that several commands share."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from brinell.core.safe_console import SafeConsole, escape_controls

out = SafeConsole(highlight=False, width=None if sys.stdout.isatty() else 160)
err = SafeConsole(stderr=True, highlight=False)


@dataclass
class ErrorSettings:
    """Whether a problem the user can mend shows its traceback; one command runs in a process."""

    debug: bool = False


errors = ErrorSettings()


def _debug(value: bool) -> bool:
    errors.debug = value
    return value


Debug = Annotated[bool, typer.Option("--debug", callback=_debug, help="Show the traceback of an error.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Change a setting; repeat it for more. VALUE is YAML."),
]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder, such as runs/quickstart.")]


def flowing(text: str) -> str:
    """Help whose paragraphs the terminal wraps: line breaks stay only between them."""
    return "\n\n".join(" ".join(paragraph.splitlines()) for paragraph in text.strip("\n").split("\n\n"))


def add_row(table: Table, *cells: str) -> None:
    """A row of a table whose cells are shown as they are: names may hold what looks like rich's markup."""
    table.add_row(*map(escape, cells))


def echo(text: str) -> None:
    """Print a text as it is, unwrapped, but for control characters."""
    typer.echo(escape_controls(text))


def say_error(message: str) -> None:
    """Print a problem on stderr, wrapped by nobody so that paths stay whole."""
    for line in message.splitlines():
        err.print("[bold red]error:[/] ", end="", soft_wrap=True)
        err.print(line, markup=False, soft_wrap=True)
