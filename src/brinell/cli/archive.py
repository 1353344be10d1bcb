"""`brinell archive` and `brinell restore`: a run in few files, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from brinell.cli.display.console import Debug, RunFolder, err, out

ARCHIVE_HELP = """Write what a report needs of a run to a new folder, in few files: for a repository or a download.

All rows are in rows.parquet. Images of the data, latent weights and checkpoints are left out. brinell restore makes a
run's folder of it. Exit status 1 if something of the run is damaged, which is named and left out.

[bold]Example[/]

$ brinell archive runs/quickstart results/quickstart
"""

RESTORE_HELP = """Make a run's folder of an archive: brinell report draws its page, brinell run makes what it lacks.

[bold]Example[/]

$ brinell restore results/quickstart runs/quickstart-again
"""

NewFolder = Annotated[Path, typer.Argument(metavar="FOLDER", help="A new or empty folder.")]


def archive(
    run: RunFolder,
    folder: NewFolder,
    networks: Annotated[bool, typer.Option("--networks/--no-networks", help="Include the .brinell files.")] = True,
    debug: Debug = False,
) -> None:
    """See `ARCHIVE_HELP`."""
    from brinell.runs import archive as write

    problems = write(run, folder, networks=networks)
    out.print(str(folder), markup=False, soft_wrap=True)
    for problem in problems:
        err.print(f"left out: {problem}", markup=False, soft_wrap=True)
    if problems:
        raise typer.Exit(1)


def restore(
    archived: Annotated[Path, typer.Argument(metavar="ARCHIVE", help="A folder that brinell archive wrote.")],
    folder: NewFolder,
    debug: Debug = False,
) -> None:
    """See `RESTORE_HELP`."""
    from brinell.runs import restore as make

    out.print(str(make(archived, folder)), markup=False, soft_wrap=True)
