"""`brinell index`: one page over many runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from brinell.cli.display.console import Debug, out

HELP = """Write FOLDER/index.html: every run in the folder, how far it is, what came of it, and a link to its report.

[bold]Example[/]

$ brinell index runs
"""


def index(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder that holds runs, such as runs.")],
    debug: Debug = False,
) -> None:
    """See `HELP`."""
    from brinell.reporting.run_index import write_index

    out.print(str(write_index(folder)), markup=False, soft_wrap=True)
