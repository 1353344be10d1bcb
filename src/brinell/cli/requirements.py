"""The verdicts on a run's requirements, and the exit status that they give."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import polars as pl
import typer

from brinell.analysis import Evaluation
from brinell.cli.display.check_formats import Check, Checks, Format, Outcome, formatted
from brinell.cli.display.console import echo, out, say_error
from brinell.store import RunStore

_OUTCOMES: Final[dict[str, Outcome]] = {"met": "passed", "not met": "failed", "undecided": "undecided"}
NOT_MET_STATUS: Final = 3
"""Exit status where a requirement is not met."""


def check_requirements(evaluation: Evaluation, kind: Format = Format.text, *, problems: Sequence[str] = ()) -> None:
    """Print the verdicts on a run's requirements; in `text` nothing where there are none.

    Raises:
        typer.Exit: 1 where there are `problems`, which count as failed checks, 3 where a requirement is not met.
    """
    from brinell.analysis.requirements import NOT_MET, requirements

    frame = requirements(evaluation)
    verdicts = [requirement_check(row) for row in frame.iter_rows(named=True)]
    failed = [Check("complete", "failed", problem) for problem in problems]
    found = Checks("requirements", (*failed, *verdicts))
    if kind != Format.text:
        echo(formatted(found, kind))
    elif verdicts:
        _print(frame)
    if problems:
        raise typer.Exit(1)
    if NOT_MET in frame["verdict"]:
        raise typer.Exit(NOT_MET_STATUS)


def requirement_checks(store: RunStore) -> list[Check]:
    """The verdicts on a run's requirements; reads no results where there are none."""
    if not store.plan().requirements:
        return []
    from brinell.analysis import load
    from brinell.analysis.requirements import requirements

    return [requirement_check(row) for row in requirements(load(store)).iter_rows(named=True)]


def _print(frame: pl.DataFrame) -> None:
    """How many requirements are met, and each that is not or is undecided."""
    from brinell.analysis.requirements import MET, NOT_MET, UNDECIDED

    counts = Counter(frame["verdict"])
    said = ", ".join(f"{counts[verdict]} {verdict}" for verdict in (MET, NOT_MET, UNDECIDED) if counts[verdict])
    out.print(f"requirements: {said}", markup=False)
    for row in frame.iter_rows(named=True):
        if row["verdict"] == NOT_MET:
            say_error(f"{row['verdict']}: {_line(row)}")
        elif row["verdict"] == UNDECIDED:
            out.print(f"{row['verdict']}: {_line(row)}", markup=False, soft_wrap=True)


def requirement_check(row: dict[str, Any]) -> Check:
    """A row of `REQUIREMENT_SCHEMA` as a check."""
    name, _, message = _line(row).partition(": ")
    return Check(name, _OUTCOMES[row["verdict"]], message or row["verdict"])


def _line(row: dict[str, Any]) -> str:
    of_variant = "" if row["variant"] is None else f" of {row['variant']}"
    line = f"{row['requirement']}{of_variant}"
    if row["value"] is not None:
        line += f": {row['value']:.5g}, one-sided 95% bounds {row['low']:.5g} and {row['high']:.5g}"
    return f"{line} ({row['reason']})" if row["reason"] else line
