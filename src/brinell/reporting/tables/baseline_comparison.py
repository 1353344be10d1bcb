"""Every variant against its baseline, on the same examples: the evidence behind `no difference`."""

from __future__ import annotations

import polars as pl

from brinell.analysis import SIGNIFICANCE, Evaluation
from brinell.reporting.formats import chance, percentage_points, radius
from brinell.reporting.table import Cell, Column, Table, number


def table(evaluation: Evaluation) -> Table:
    """One row a comparison: without an attack, and the worst case at each radius. The file holds every reading's."""
    overall = evaluation.pairs.filter(pl.col("seed").is_null() | (pl.col("attack") == "clean"))
    return Table(
        name="comparison",
        section="comparison",
        title="Against the baseline",
        caption="Exact McNemar tests on the same examples: how many only the variant classifies correctly, how many "
        f"only its baseline. A p-value of {SIGNIFICANCE} or more is no difference; there is no correction for multiple "
        "tests.",
        columns=(
            Column("Variant", numeric=False),
            Column("Baseline", numeric=False),
            Column("Under", numeric=False),
            Column("Examples"),
            Column("Only variant"),
            Column("Only baseline"),
            Column("Points"),
            Column("p-value"),
            Column("Verdict", numeric=False),
        ),
        rows=tuple(
            (
                Cell(row["variant"], row["variant"], variant=row["variant"]),
                Cell(row["baseline"], row["baseline"]),
                _under(row["attack"], row["epsilon"], row["norm"]),
                number(f"{row['examples']:,}", row["examples"]),
                number(f"{row['only_variant']:,}", row["only_variant"]),
                number(f"{row['only_baseline']:,}", row["only_baseline"]),
                number(percentage_points(row["difference"]), row["difference"]),
                number(chance(row["p_value"]).removeprefix("p ").removeprefix("= "), row["p_value"]),
                Cell(row["verdict"], row["verdict"]),
            )
            for row in overall.iter_rows(named=True)
        ),
        frame=evaluation.pairs,
    )


def _under(attack: str, epsilon: float, norm: str) -> Cell:
    if attack == "clean":
        return Cell("no attack", 0.0)
    return Cell(f"{attack}, {radius(epsilon, norm)}", epsilon)
