"""The table that ends a run: what every variant keeps, and what it takes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl
from rich.markup import escape
from rich.table import Table

from brinell.analysis import Evaluation, load
from brinell.cli.display.console import add_row, out
from brinell.store import RunStore


def print_table(root: Path) -> None:
    """Clean accuracy, accuracy under each attack and under all of them at the reference radius, bytes and ratio."""
    evaluation = load(RunStore.open(root))
    attacks = () if evaluation.reference_radius is None else evaluation.reference_radius.attacks
    table = Table("variant", box=None, pad_edge=False)
    for name in ("clean", *attacks, *(["worst case"] if len(attacks) > 1 else []), "bytes", "ratio"):
        table.add_column(escape(name), justify="right")
    for row in evaluation.variants.iter_rows(named=True):
        under = [_under(evaluation, row["variant"], attack) for attack in attacks]
        worst = [_worst(evaluation, row["variant"])] if len(attacks) > 1 else []
        shares = [_percent(share) for share in (row["clean_accuracy"], *under, *worst)]
        add_row(table, row["variant"], *shares, _bytes(row["encoded_bytes"]), _ratio(row["compression_ratio"]))
    out.print(table)
    if evaluation.reference_radius is not None:
        radius = f"{evaluation.reference_radius.epsilon * 255:.4g}/255"
        counted = _counted(evaluation, attacks)
        out.print(f"accuracy on {counted} test images; attacks at epsilon {radius}, most steps")


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


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _bytes(count: int | None) -> str:
    return "-" if count is None else f"{count:,}"


def _ratio(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.1f}x"
