"""`brinell compare`: what changed from one run to another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer
from rich.table import Table

from brinell.cli.arguments.condition_help import CONDITION_HELP
from brinell.cli.display.check_formats import Check, Checks, Format, FormatOption, formatted
from brinell.cli.display.console import Debug, add_row, echo, out, say_error
from brinell.cli.requirements import NOT_MET_STATUS, requirement_check
from brinell.core import ConfigurationError, DataError, StoreError
from brinell.core.conditions import Condition
from brinell.reporting.formats import count_range
from brinell.store import RunStore

HELP = f"""Say what changed from one run to another, on the examples that both measured.

Variants and attacks are the same where their names are. Accuracies are compared by McNemar's exact test; a difference
that it does not see is counted as not distinguishable. With --fail-if the exit status is 1 when a change crosses a
limit, or when the second run lacks what the limit is on; with --require it is 3 when the second run does not meet a
requirement, by its one-sided 95 % bound. It is 2 when a condition cannot be read or is on nothing, or a run
cannot be read or measured other data.

{CONDITION_HELP} With --fail-if METRIC may be top5_accuracy as well, NUMBER is the change from the first run to the
second, with % in percent of the first, and 'at p < LEVEL' may follow. With --require NUMBER is the value itself, or,
with a sign, a change against the baseline.

[bold]Examples[/]

$ brinell compare runs/before runs/after

$ brinell compare runs/before runs/after --fail-if 'robust_accuracy < -0.02' --fail-if 'encoded_bytes > 5%'

$ brinell compare runs/before runs/after --fail-if 'robust_accuracy under pgd of "int8 small" < -0.01'
"""

SHOWN = 20
"""Readings printed at most; the rest is counted."""

Conditions = Annotated[
    list[str] | None,
    typer.Option(
        "--fail-if",
        metavar="CONDITION",
        help="A change that must not be, such as 'robust_accuracy < -0.02'; repeat it for more.",
    ),
]

Required = Annotated[
    list[str] | None,
    typer.Option(
        "--require",
        metavar="CONDITION",
        help="What the second run must meet by itself, such as 'clean_accuracy >= 0.9'; the same grammar.",
    ),
]
WRONG_QUESTION = 2
"""Exit status of conditions that cannot be read or are on nothing, and of runs that cannot be read or compared."""


def compare(
    before: Annotated[Path, typer.Argument(metavar="RUN", help="The run to compare with.")],
    after: Annotated[Path, typer.Argument(metavar="RUN", help="The run that may have changed.")],
    fail_if: Conditions = None,
    require: Required = None,
    kind: FormatOption = Format.text,
    debug: Debug = False,
) -> None:
    """See `HELP`."""
    from brinell.analysis.compare.changes import changes
    from brinell.analysis.compare.conditions import parse
    from brinell.core.requirements import parse_requirement

    try:
        conditions = [parse(text) for text in fail_if or ()]
        needed = [parse_requirement(text, "--require") for text in require or ()]
        runs = RunStore.open(before), RunStore.open(after)
        found = changes(*runs)
        checks = [check for condition in conditions for check in _crossed(condition, found.frame)]
        verdicts = _required(runs[1], [condition.text for condition in needed])
    except (ConfigurationError, DataError, StoreError) as error:
        say_error(str(error))
        raise typer.Exit(WRONG_QUESTION) from None
    if kind == Format.text:
        _print(found.frame)
        for note in found.notes:
            out.print(f"note: {note}", markup=False, soft_wrap=True)
        _print_failed(checks, verdicts)
    else:
        echo(formatted(Checks(f"{before.name} to {after.name}", (*checks, *verdicts)), kind))
    if any(check.outcome == "failed" for check in checks):
        raise typer.Exit(1)
    if any(check.outcome == "failed" for check in verdicts):
        raise typer.Exit(NOT_MET_STATUS)


def _crossed(condition: Condition, frame: pl.DataFrame) -> Iterator[Check]:
    """A check for each reading that a condition is on.

    Raises:
        ConfigurationError: it is on none.
    """
    from brinell.analysis.compare.conditions import crossed, select

    rows = select(condition, frame)
    if rows.is_empty():
        raise ConfigurationError(f"--fail-if {condition.text!r}: neither run has such a reading")
    for row in rows.iter_rows(named=True):
        over = crossed(condition, row)
        yield Check(f"{condition.text}: {_where(row)}", "failed" if over else "passed", _values(row))


def _required(store: RunStore, texts: Sequence[str]) -> list[Check]:
    """Verdicts on conditions that the second run must meet by itself."""
    from brinell.analysis import load
    from brinell.analysis.requirements import requirements

    if not texts:
        return []
    return [requirement_check(row) for row in requirements(load(store), texts).iter_rows(named=True)]


def _print_failed(checks: Sequence[Check], verdicts: Sequence[Check]) -> None:
    """The readings that cross each condition, as far as they are few, and the requirements that are not met."""
    for text, every in groupby(checks, key=lambda check: check.name.partition(": ")[0]):
        over = [check for check in every if check.outcome == "failed"]
        for check in over[:SHOWN]:
            say_error(f"{check.name} {check.message}")
        if len(over) > SHOWN:
            say_error(f"{text}: and {len(over) - SHOWN} more")
    for check in verdicts:
        if check.outcome == "failed":
            say_error(f"not met: {check.name}: {check.message}")
        elif check.outcome == "undecided":
            out.print(f"undecided: {check.name}: {check.message}", markup=False, soft_wrap=True)


def _print(frame: pl.DataFrame) -> None:
    """What differs: readings whose test says so, and costs that are not the same; what does not is counted."""
    tested = frame.filter(pl.col("p_value").is_not_null() & (pl.col("metric") != "top5_accuracy"))
    same = tested.filter(pl.col("verdict") == "no difference")
    differing = tested.filter(pl.col("verdict") != "no difference").sort("change", maintain_order=True)
    moved = frame.filter(pl.col("p_value").is_null() & (pl.col("change") != 0))
    lacking = frame.filter(pl.col("before").is_null() != pl.col("after").is_null())
    table = Table("what", "variant", "before", "after", "change", "p", "verdict", box=None, pad_edge=False)
    for part in (differing, moved, lacking):
        for row in part.head(SHOWN).iter_rows(named=True):
            add_row(table, *_cells(row))
    if table.row_count:
        out.print(table)
    hidden = sum(max(0, len(part) - SHOWN) for part in (differing, moved, lacking))
    more = f"; {hidden} more differ" if hidden else ""
    on = f" on n = {count_range(same['examples'])}" if len(same) else ""
    out.print(f"{len(same)} of {len(tested)} paired readings are not distinguishable{on}{more}")


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    from brinell.reporting.formats import chance

    p_value = "" if row["p_value"] is None else chance(row["p_value"]).removeprefix("p ").removeprefix("= ")
    change = "" if row["change"] is None else _change(row)
    return (
        _what(row),
        row["variant"],
        _value(row, "before"),
        _value(row, "after"),
        change,
        p_value,
        row["verdict"] or "",
    )


def _what(row: dict[str, Any]) -> str:
    parts = [row["metric"]]
    if row["attack"] not in (None, "worst case"):
        parts.append(f"under {row['attack']}")
    if row["attack"] is not None and row["epsilon"] is not None:
        linf = row["norm"] == "linf"
        parts.append(f"at {255 * row['epsilon']:.4g}/255" if linf else f"at {row['epsilon']:.4g} {row['norm']}")
    if row["attack"] is not None and row["steps"] is not None:
        parts.append(f"{row['steps']} steps")
    if row["runtime"] is not None:
        parts.append(f"on {row['runtime']}")
    return " ".join(parts)


def _where(row: dict[str, Any]) -> str:
    return f"{_what(row)} of {row['variant']}"


def _values(row: dict[str, Any]) -> str:
    lacking = f"({row['lacking']}) " if row["lacking"] else ""
    if row["after"] is None:
        return f"{lacking}is not measured in the second run"
    if row["before"] is None:
        return f"{lacking}is not measured in the first run"
    return f"{lacking}went from {_value(row, 'before')} to {_value(row, 'after')} ({_change(row)})"


def _share(row: dict[str, Any]) -> bool:
    return str(row["metric"]).endswith(("accuracy", "worst_case"))


def _value(row: dict[str, Any], side: str) -> str:
    value = row[side]
    return "missing" if value is None else f"{value:.1%}" if _share(row) else f"{value:,.6g}"


def _change(row: dict[str, Any]) -> str:
    if _share(row):
        return f"{100 * row['change']:+.1f} points"
    relative = f" ({row['change'] / row['before']:+.1%})" if row["before"] else ""
    return f"{row['change']:+,.6g}{relative}"
