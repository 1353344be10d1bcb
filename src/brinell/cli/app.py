"""`brinell`: its commands, and how errors reach the user."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from brinell.cli import (
    archive,
    attack,
    compare,
    compress,
    dossier,
    export,
    importing,
    index,
    init,
    inspect,
    limit,
    listing,
    publish,
    report,
    run,
    sizes,
    status,
)
from brinell.cli.display.commands import Command, Group
from brinell.cli.display.console import errors, flowing, out, say_error
from brinell.core import BrinellError

app = typer.Typer(
    name="brinell",
    cls=Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("init", cls=Command, help=flowing(init.HELP))(init.init)
app.command("run", cls=Command, help=flowing(run.HELP))(run.run)
app.command("report", cls=Command, help=flowing(report.HELP))(report.report)
app.command("status", cls=Command, help=flowing(status.HELP))(status.status)
app.command("compare", cls=Command, help=flowing(compare.HELP))(compare.compare)
app.command("limit", cls=Command, help=flowing(limit.HELP))(limit.limit)
app.command("list", cls=Command, help=flowing(listing.HELP))(listing.list_members)
app.command("inspect", cls=Command, help=flowing(inspect.HELP))(inspect.inspect)
app.command("attack", cls=Command, help=flowing(attack.HELP))(attack.attack)
app.command("compress", cls=Command, help=flowing(compress.HELP))(compress.compress)
app.command("sizes", cls=Command, help=flowing(sizes.HELP))(sizes.compare_sizes)
app.command("dossier", cls=Command, help=flowing(dossier.HELP))(dossier.dossier)
app.command("index", cls=Command, help=flowing(index.HELP))(index.index)
app.command("publish", cls=Command, help=flowing(publish.HELP))(publish.publish)
app.command("archive", cls=Command, help=flowing(archive.ARCHIVE_HELP))(archive.archive)
app.command("restore", cls=Command, help=flowing(archive.RESTORE_HELP))(archive.restore)
app.command("export", cls=Command, help=flowing(export.HELP))(export.export)
app.add_typer(importing.app, name="import")


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        out.print(f"brinell {version('brinell')}")
        raise typer.Exit


HELP = """How far can a neural network be compressed before it, or its robustness, breaks?

Compress a network, attack every variant of it, and read how much each one gives way next to what it costs. Begin with:

$ brinell run quickstart
"""


@app.callback(help=flowing(HELP))
def brinell(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """See `HELP`."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command line and exit.

    0: well; 1: a problem that the user can mend; 2: a bad command line; 3: a requirement that is not met.

    Args:
        arguments: Of the command line, without the program's name; those of the process by default.
    """
    try:
        app(args=None if arguments is None else list(arguments), prog_name="brinell")
    except BrinellError as error:
        if errors.debug:
            raise
        say_error(str(error))
        sys.exit(1)
