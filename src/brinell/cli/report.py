"""`brinell report`: draw a run's folder, whole or half computed."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from brinell.cli.display.check_formats import Format, FormatOption
from brinell.cli.display.console import Debug, RunFolder, err, out, say_error
from brinell.cli.requirements import check_requirements
from brinell.core import BrinellError
from brinell.store import RunStore

if TYPE_CHECKING:
    from brinell.reporting.report import WrittenReport

HELP = """Write the report of a run: RUN/report/index.html, with every table and figure beside it.

Works while the run is still going on, and says what is missing. With --watch it goes on, and writes the report anew
whenever results have landed, until Ctrl-C. What cannot be read is left out and named, and the exit status is then 1. It
is 3 where a requirement of the study is not met.

[bold]Examples[/]

$ brinell report runs/quickstart

$ brinell report runs/quickstart --watch
"""


def report(
    folder: RunFolder,
    watch: Annotated[bool, typer.Option("--watch", help="Write it anew as results land, until Ctrl-C.")] = False,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks, with --watch.")] = 2.0,
    kind: FormatOption = Format.text,
    debug: Debug = False,
) -> None:
    """See `HELP`."""
    if watch:
        store = RunStore.open_for_report(RunStore.open(folder).root)
        store.check_report()
        _watch(store, every)
    else:
        drawn = _draw(folder, kind)
        if drawn.evaluation is None:
            raise typer.Exit(1)
        check_requirements(drawn.evaluation, kind, problems=drawn.problems)


def _draw(folder: Path, kind: Format = Format.text) -> WrittenReport:
    """The report, whose path and problems are printed."""
    from brinell.reporting import write_with_problems

    drawn = write_with_problems(folder)
    (out if kind == Format.text else err).print(str(drawn.page), markup=False, soft_wrap=True)
    for problem in drawn.problems:
        say_error(problem)
    return drawn


def _watch(store: RunStore, every: float) -> None:
    """Draw what is there, and again whenever it has changed and a moment has passed."""
    seen = None
    try:
        while True:
            now = store.change_token()
            if now != seen:
                seen = now
                try:
                    _draw(store.root)
                except BrinellError as error:  # the folder is being moved or its disk is full: the next look may do
                    say_error(str(error))
            time.sleep(every)
    except KeyboardInterrupt:
        page = store.report / "index.html"
        said = f"{page} is whole" if page.is_file() else "nothing is drawn yet"
        out.print(f"stopped; {said}", markup=False, soft_wrap=True)
