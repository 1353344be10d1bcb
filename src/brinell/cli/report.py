"""`brinell report`: draw a run's folder, whole or half computed."""

from __future__ import annotations

from brinell.cli.console import Debug, RunFolder, out

HELP = """Write the report of a run: RUN/report/index.html, with every table and figure beside it.

Works while the run is still going on, and says what is missing.

[bold]Example[/]

$ brinell report runs/quickstart
"""


def report(folder: RunFolder, debug: Debug = False) -> None:
    """See `HELP`."""
    from brinell.reporting import write

    out.print(str(write(folder)), markup=False, soft_wrap=True)
