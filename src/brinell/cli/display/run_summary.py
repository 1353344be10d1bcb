"""The table that ends a run: what every variant keeps, and what it takes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import polars as pl
from rich.markup import escape
from rich.table import Table

from brinell.analysis import Evaluation, load
from brinell.cli.display.console import add_row, out
from brinell.reporting.describe import worst_case_over
from brinell.store import RunStore


def print_table(root: Path) -> None:
    """Clean accuracy, accuracy under each attack and under all of them at the reference radius, bytes and ratio."""
    evaluation = load(RunStore.open(root))
    attacks = () if evaluation.reference_radius is None else evaluation.reference_radius.attacks
    table = Table("variant", box=None, pad_edge=False)
    for name in ("clean", *attacks, *(["worst case"] if len(attacks) > 1 else []), "bytes", "ratio"):
        table.add_column(escape(name), justify="right")
    rows = {row["variant"]: row for row in evaluation.variants.iter_rows(named=True)}
    seeds = evaluation.labels_of_names
    for name, trainings in seeds.items():
        add_row(table, name, *_cells(evaluation, [rows[label] for label in trainings], attacks))
    out.print(table)
    if evaluation.reference_radius is not None:
        radius = f"{evaluation.reference_radius.epsilon * 255:.4g}/255"
        counted = _counted(evaluation, attacks)
        out.print(f"accuracy on {counted} test images; attacks at epsilon {radius}, most steps", soft_wrap=True)
        if len(attacks) > 1:
            out.print(f"worst case {worst_case_over(evaluation.at_reference)}", markup=False, soft_wrap=True)
    most = max(map(len, seeds.values()), default=1)
    if most > 1:
        out.print(f"mean ± standard deviation over up to {most} trainings; the report has each training")


def _cells(evaluation: Evaluation, rows: Sequence[dict[str, Any]], attacks: Sequence[str]) -> list[str]:
    """What stands after the name: of several trainings means, with deviations of accuracies."""
    shares = [[row["clean_accuracy"] for row in rows]]
    shares += [[_under(evaluation, row["variant"], attack) for row in rows] for attack in attacks]
    if len(attacks) > 1:
        shares.append([_worst(evaluation, row["variant"]) for row in rows])
    size, ratio = ([row[name] for row in rows] for name in ("encoded_bytes", "compression_ratio"))
    return [*(_percent(values) for values in shares), _bytes(_mean(size)), _ratio(_mean(ratio))]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _counted(evaluation: Evaluation, attacks: Sequence[str]) -> str:
    """Examples of the clean accuracy, and of what stands on other ones."""
    everything = evaluation.plan.examples
    other = {attack: _most(evaluation.seed_means.filter(pl.col("attack") == attack)) for attack in attacks}
    if len(attacks) > 1:
        other["worst case"] = _most(_at_reference(evaluation))
    fewer = [f"{name} on {count}" for name, count in other.items() if count != everything]
    return f"{everything} ({', '.join(fewer)})" if fewer else str(everything)


def _most(frame: pl.DataFrame) -> int:
    """The most examples that any variant was read on."""
    return int(frame["examples"].max() or 0)  # type: ignore[arg-type]


def _under(evaluation: Evaluation, variant: str, attack: str) -> float | None:
    """Accuracy under one attack at the reference radius, after the most steps that it was read at."""
    if evaluation.reference_radius is None:
        return None
    at = evaluation.seed_means.filter(
        (pl.col("variant") == variant)
        & (pl.col("crafted_on") == variant)
        & (pl.col("attack") == attack)
        & (pl.col("epsilon") == evaluation.reference_radius.epsilon)
    ).sort("steps")
    return None if at.is_empty() else at["robust_accuracy"][-1]


def _worst(evaluation: Evaluation, variant: str) -> float | None:
    at = _at_reference(evaluation).filter(pl.col("variant") == variant)
    return None if at.is_empty() else at["robust_accuracy"][0]


def _at_reference(evaluation: Evaluation) -> pl.DataFrame:
    reference = evaluation.reference_radius
    if reference is None:
        return evaluation.worst.clear()
    return evaluation.worst.filter((pl.col("norm") == reference.norm) & (pl.col("epsilon") == reference.epsilon))


def _percent(shares: Sequence[float | None]) -> str:
    known = [share for share in shares if share is not None]
    if not known:
        return "-"
    return f"{fmean(known):.1%}{f' ± {100 * stdev(known):.1f}' if len(known) > 1 else ''}"


def _bytes(count: float | None) -> str:
    return "-" if count is None else f"{count:,.0f}"


def _ratio(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.1f}x"
