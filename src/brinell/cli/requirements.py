"""The verdicts on a run's requirements, and the exit status that they give."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

import typer

from brinell.analysis import Evaluation
from brinell.cli.console import out, say_error

NOT_MET_STATUS: Final = 3
"""Exit status where a requirement is not met."""


def check_requirements(evaluation: Evaluation) -> None:
    """Print how many requirements are met, and each that is not or is undecided.

    Raises:
        typer.Exit: one is not met.
    """
    from brinell.analysis.requirements import MET, NOT_MET, UNDECIDED, requirements

    frame = requirements(evaluation)
    if frame.is_empty():
        return
    counts = Counter(frame["verdict"])
    said = ", ".join(f"{counts[verdict]} {verdict}" for verdict in (MET, NOT_MET, UNDECIDED) if counts[verdict])
    out.print(f"requirements: {said}", markup=False)
    for row in frame.iter_rows(named=True):
        if row["verdict"] == NOT_MET:
            say_error(_line(row))
        elif row["verdict"] == UNDECIDED:
            out.print(_line(row), markup=False, soft_wrap=True)
    if counts[NOT_MET]:
        raise typer.Exit(NOT_MET_STATUS)


def _line(row: dict[str, Any]) -> str:
    of_variant = "" if row["variant"] is None else f" of {row['variant']}"
    line = f"{row['verdict']}: {row['requirement']}{of_variant}"
    if row["value"] is not None:
        line += f": {row['value']:.5g}, one-sided 95% bounds {row['low']:.5g} and {row['high']:.5g}"
    return f"{line} ({row['reason']})" if row["reason"] else line
