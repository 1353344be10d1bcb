"""Searches for the smallest network: where families break, what is confirmed, and what was tried."""

from __future__ import annotations

from typing import Any

import polars as pl

from brinell.analysis import Evaluation
from brinell.analysis.limit_breaking import CLEAN_CONDITIONS, limit_breaking
from brinell.analysis.limit_results import limit_results
from brinell.reporting.formats import NOTHING, percent, pluralize, quantity, ratio, size
from brinell.reporting.table import Cell, Column, Table, number


def tables(evaluation: Evaluation) -> list[Table]:
    """Breaking points, confirmed networks, and every network that a search tried; none if the study has no limits."""
    found = limit_results(evaluation)
    if not evaluation.plan.limits:
        return []
    two = any(len(limit.goals) > 1 for limit in evaluation.plan.limits)
    return [_confirmed(evaluation, found, two=two), _breaking(found), _tried(found, two=two)]


def _confirmed(evaluation: Evaluation, found: pl.DataFrame, *, two: bool) -> Table:
    keep = "; ".join(f"{limit.name}: {', '.join(limit.keep)}" for limit in evaluation.plan.limits)
    examples = pluralize(evaluation.plan.examples, "example")
    confirmed = found.filter(pl.col("smallest"))
    which = "Of each family the networks that no other confirmed one beats in both goals" if two else ""
    return Table(
        name="limits",
        section="limits",
        title="Smallest networks that keep the conditions",
        caption=f"Conditions of {keep}. {which or 'The smallest network of each family'} that meets all of them by "
        f"every attack on {examples}, by one-sided 95% bounds. Ratios are to the cost of the baseline.",
        columns=(Column("Variant", numeric=False), *_columns(two=two), Column("File", numeric=False)),
        rows=tuple((*_row(row, two=two), _file(evaluation, row["variant"])) for row in confirmed.iter_rows(named=True)),
        frame=confirmed,
        order=2,
    )


def _breaking(found: pl.DataFrame) -> Table:
    frame = limit_breaking(found)
    return Table(
        name="limits-breaking",
        section="limits",
        title="Where each family breaks",
        caption="The breaking point lies between the largest ratio of a network that keeps the conditions and the "
        "smallest one above it of a network that does not, or of which all examples leave it undecided.",
        columns=(
            Column("Search", numeric=False),
            Column("Family", numeric=False),
            Column("Conditions", numeric=False),
            Column("Kept up to", note="Largest ratio of a network that keeps the conditions"),
            Column("Broken at", note="Smallest ratio above it of a network that does not"),
        ),
        rows=tuple(
            (
                Cell(row["limit"], row["limit"]),
                Cell(row["family"], row["family"]),
                Cell("clean accuracy" if row["conditions"] == CLEAN_CONDITIONS else "all"),
                _ratio(row["kept_ratio"], "none kept"),
                _ratio(row["broken_ratio"], "not reached"),
            )
            for row in frame.iter_rows(named=True)
        ),
        frame=frame,
        order=3,
    )


def _tried(found: pl.DataFrame, *, two: bool) -> Table:
    return Table(
        name="limits-tried",
        section="limits",
        title="Networks that the searches tried",
        caption="In their order. Screening is by one attack, on few examples and on twice as many as long as these "
        "leave a condition undecided; only networks that screening kept are confirmed, the smallest first.",
        columns=(
            Column("Variant", numeric=False),
            *_columns(two=two),
            Column("Screened on", note="Examples that the screening attack was run on"),
            Column("Screening", numeric=False),
            Column("Confirmed", numeric=False),
            Column("Why not", numeric=False, prose=True),
        ),
        rows=tuple(
            (
                *_row(row, two=two),
                _count(row["attacked_examples"]),
                Cell(row["screening_verdict"]),
                Cell(row["verdict"] or NOTHING),
                Cell(row["reason"] or NOTHING),
            )
            for row in found.iter_rows(named=True)
        ),
        frame=found,
        order=4,
    )


def _ratio(value: float | None, otherwise: str) -> Cell:
    return Cell(otherwise) if value is None else number(ratio(value), value)


def _count(value: int | None) -> Cell:
    return Cell(NOTHING) if value is None else number(f"{value:,}", value)


def _columns(*, two: bool) -> tuple[Column, ...]:
    second = (Column("Second cost", note="The second goal"), Column("Second ratio")) if two else ()
    return (
        Column("Family", numeric=False),
        Column("Searched", numeric=False),
        Column("Cost", note="What the search minimises"),
        Column("Ratio"),
        *second,
        Column("Clean accuracy"),
        Column("Attacked accuracy", note="Under the screening attack, at the smallest radius of the conditions"),
    )


def _row(row: dict[str, Any], *, two: bool) -> tuple[Cell, ...]:
    prefixes = ("", "second_") if two else ("",)
    costs = [cell for prefix in prefixes for cell in _costs(row, prefix)]
    return (
        Cell(row["variant"], row["variant"], variant=row["variant"]),
        Cell(row["family"], row["family"]),
        Cell(row["numbers"]),
        *costs,
        number(percent(row["clean_accuracy"]), row["clean_accuracy"]),
        number(percent(row["attacked_accuracy"]), row["attacked_accuracy"]),
    )


def _costs(row: dict[str, Any], prefix: str) -> tuple[Cell, Cell]:
    cost, factor = row[f"{prefix}cost"], row[f"{prefix}ratio"]
    return number((size if row[f"{prefix}goal"] == "bytes" else quantity)(cost), cost), number(ratio(factor), factor)


def _file(evaluation: Evaluation, variant: str) -> Cell:
    """Where the network's file lies in the run's folder."""
    key = evaluation.variants.filter(pl.col("variant") == variant)["key"][0]
    return Cell(f"variants/{key}/variant.brinell", link=f"../variants/{key}/variant.brinell")
