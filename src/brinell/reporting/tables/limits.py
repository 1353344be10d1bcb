"""Searches for the smallest network: what is confirmed, and what was tried."""

from __future__ import annotations

from typing import Any

import polars as pl

from brinell.analysis import Evaluation
from brinell.analysis.limit_results import limit_results
from brinell.reporting.formats import MISSING, NOTHING, percent, pluralize, quantity, ratio, size
from brinell.reporting.table import Cell, Column, Table, number


def tables(evaluation: Evaluation) -> list[Table]:
    """Confirmed networks, and every network that a search tried; no table if the study has no limits."""
    found = limit_results(evaluation)
    if not evaluation.plan.limits:
        return []
    keep = "; ".join(f"{limit.name}: {', '.join(limit.keep)}" for limit in evaluation.plan.limits)
    examples = pluralize(evaluation.plan.examples, "example")
    confirmed = found.filter(pl.col("smallest"))
    return [
        Table(
            name="limits",
            section="limits",
            title="Smallest networks that keep the conditions",
            caption=f"Conditions of {keep}. The smallest network of each family that meets all of them by every "
            f"attack on {examples}, by one-sided 95% bounds. Ratios are to the cost of the baseline.",
            columns=(Column("Variant", numeric=False), *_COLUMNS, Column("File", numeric=False)),
            rows=tuple(
                (*_row(row), Cell(_file(evaluation, row["variant"]))) for row in confirmed.iter_rows(named=True)
            ),
            frame=confirmed,
            order=1,
        ),
        Table(
            name="limits-tried",
            section="limits",
            title="Networks that the searches tried",
            caption="In their order. Screening is by one attack, on few examples unless they leave it undecided; only "
            "networks that screening kept are confirmed, the smallest first.",
            columns=(
                Column("Variant", numeric=False),
                *_COLUMNS,
                Column("Screening", numeric=False),
                Column("Confirmed", numeric=False),
                Column("Why not", numeric=False, prose=True),
            ),
            rows=tuple(
                (
                    *_row(row),
                    Cell(row["screening_verdict"]),
                    Cell(row["verdict"] or NOTHING),
                    Cell(row["reason"] or NOTHING),
                )
                for row in found.iter_rows(named=True)
            ),
            frame=found,
            order=2,
        ),
    ]


_COLUMNS = (
    Column("Family", numeric=False),
    Column("Searched", numeric=False),
    Column("Cost", note="What the search minimises"),
    Column("Ratio"),
    Column("Clean accuracy"),
    Column("Attacked accuracy", note="Under the screening attack, at the smallest radius of the conditions"),
)


def _row(row: dict[str, Any]) -> tuple[Cell, ...]:
    cost = size(row["cost"]) if row["metric"] == "encoded_bytes" else quantity(row["cost"])
    return (
        Cell(row["variant"], row["variant"], variant=row["variant"]),
        Cell(row["family"], row["family"]),
        Cell(row["numbers"]),
        number(cost, row["cost"]),
        number(ratio(row["ratio"]), row["ratio"]),
        number(percent(row["clean_accuracy"]), row["clean_accuracy"]),
        number(percent(row["attacked_accuracy"]), row["attacked_accuracy"]),
    )


def _file(evaluation: Evaluation, variant: str) -> str:
    """Where the network's file lies in the run's folder."""
    keys = evaluation.variants.filter(pl.col("variant") == variant)["key"].to_list()
    return f"variants/{keys[0]}/variant.brinell" if keys else MISSING
