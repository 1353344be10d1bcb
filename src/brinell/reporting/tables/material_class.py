"""Strong, ductile or brittle: what kind of material each network is under each attack (BreakingBED, section 4.2)."""

from __future__ import annotations

from typing import Any

import polars as pl

from brinell.analysis import DUCTILE, STRONG, Evaluation, StressAxis
from brinell.reporting.formats import MISSING, percent, radius, stress
from brinell.reporting.table import Cell, Column, Table

UNSHOWN = "not shown to be strong"

_ORDER = {"strong": 2.0, "ductile": 1.0, "brittle": 0.0}


def table(evaluation: Evaluation) -> Table:
    """One row a variant, one column an attack whose stress is swept; no rows where none is."""
    swept = {attack: axis for attack, axis in evaluation.stresses.items() if axis.swept}
    found = {(row["variant"], row["attack"]): row for row in evaluation.breaking.iter_rows(named=True)}
    norms = dict(evaluation.seed_means.select("attack", "norm").unique().iter_rows())
    return Table(
        name="character",
        section="material",
        order=1,
        title="Strong, ductile, brittle",
        caption="Toughness is the mean of 1 - strain over the stresses, from zero to the largest. Ductility is "
        "the share "
        "of that range in which strain rises from 0.1 to 0.9 of its value at the breaking line. Strong: toughness "
        f"{STRONG:g} or more. Otherwise ductile: ductility {DUCTILE:g} or more. Otherwise brittle. All three depend "
        f"on the "
        "range of stresses: compare networks under the same attack only. Breaking line: "
        f"{percent(evaluation.line)}.",
        columns=(
            Column("Variant", numeric=False),
            *(
                Column(attack, below=_below(axis, norms.get(attack, "linf")), numeric=False)
                for attack, axis in swept.items()
            ),
        ),
        rows=tuple(
            (
                Cell(variant, variant, variant=variant),
                *(
                    _cell(found.get((variant, attack)), norms.get(attack, "linf"), variant in evaluation.doubtful)
                    for attack in swept
                ),
            )
            for variant in (evaluation.variants["variant"] if swept else ())
        ),
        frame=evaluation.breaking,
    )


def _below(axis: StressAxis, norm: str) -> str:
    if axis.quantity == "epsilon":
        return f"over epsilon, {axis.held:.0f} steps" if axis.held and axis.held > 1 else "over epsilon"
    return "over steps" if axis.held is None else f"over steps, {radius(axis.held, norm)}"


def _cell(row: dict[str, Any] | None, norm: str, doubtful: bool) -> Cell:
    if row is None:
        return Cell(MISSING)
    if row["character"] is None:
        return Cell("at the line unattacked" if row["breaking_strain"] == 0 else MISSING)
    reached = row["breaking_stress"]
    breaks = (
        f"not broken by {stress(row['strongest'], row['quantity'], norm)}"
        if reached is None
        else f"breaks at {stress(reached, row['quantity'], norm)}"
    )
    ductile = "never gives way" if row["ductility"] is None else f"ductility {row['ductility']:.2f}"
    note = f"{breaks}\ntoughness {row['toughness']:.2f}\n{ductile}"
    if row["character"] == "strong" and doubtful:
        return Cell(UNSHOWN, _ORDER["ductile"], f"its gradients may be masked, or its rows have a warning\n{note}")
    return Cell(row["character"], _ORDER[row["character"]] + row["toughness"] / 10, note)


def swept(evaluation: Evaluation) -> bool:
    """Whether there is an attack to judge by."""
    return not evaluation.breaking.filter(pl.col("character").is_not_null()).is_empty()
