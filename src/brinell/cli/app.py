"""`brinell`: its commands, and how errors reach the user."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import typer

from brinell.cli import attack, compress, inspect, listing, report, run, status
from brinell.cli.console import errors, say_error
from brinell.core import BrinellError

app = typer.Typer(
    name="brinell",
    help="How far can a neural network be compressed before it, or its robustness, breaks?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("run", help=run.HELP)(run.run)
app.command("report", help=report.HELP)(report.report)
app.command("status", help=status.HELP)(status.status)
app.command("list", help=listing.HELP)(listing.list_members)
app.command("inspect", help=inspect.HELP)(inspect.inspect)
app.command("attack", help=attack.HELP)(attack.attack)
app.command("compress", help=compress.HELP)(compress.compress)


@app.callback()
def brinell() -> None:
    """Compress a network, attack every variant of it, and read how much each one gives way next to what it costs."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command line and exit: 0 well, 1 with a problem the user can mend, 2 for a bad command line."""
    try:
        app(args=list(arguments) if arguments is not None else None, prog_name="brinell")
    except BrinellError as error:
        if errors.debug:
            raise
        say_error(str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        say_error("stopped")
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(1)
