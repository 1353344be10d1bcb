"""`brinell inspect`: what is in a `.brinell` file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from brinell.cli.console import Debug, out

HELP = """Show what is in a .brinell file: the network, what was done to it, and every tensor with its coding and size.

[bold]Example[/]

  brinell inspect small.brinell
"""


def inspect(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .brinell file.")],
    debug: Debug = False,
) -> None:
    """See `HELP`."""
    from brinell.container import inspect as look

    out.print(str(look(file)), markup=False)
