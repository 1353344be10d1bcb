"""What was measured, with one-sided 95 % bounds: clean accuracy, worst cases, changes, and verdicts on requirements."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import polars as pl

from brinell.analysis import CLEAN, WORST, Evaluation
from brinell.analysis.requirements import requirements
from brinell.analysis.significance.bounds import difference_bounds, share_bounds
from brinell.reporting.dossier.section import DossierSection


def results(evaluation: Evaluation, variants: Sequence[str]) -> DossierSection:
    """One row a network and reading: accuracy without an attack, then the worst case at each radius."""
    statements = (
        "Bounds are one-sided at 95 % each: of a share those of Clopper and Pearson, of the change against the "
        "baseline on the same images those of Tango's score test.",
        "The worst case counts an image as correct only if every attack on it failed within the radius.",
    )
    rows = [row for variant in variants for row in _rows(evaluation, variant)]
    return DossierSection("results", "Results", statements, tuple(rows))


def verdicts(evaluation: Evaluation, variants: Sequence[str]) -> DossierSection:
    """One row a requirement and network."""
    columns = ("variant", "requirement", "verdict", "value", "low", "high", "limit", "examples", "reason")
    found = requirements(evaluation)
    own = found.filter(pl.col("variant").is_in(list(variants)) | pl.col("variant").is_null())
    rows = [
        {"network" if name == "variant" else name: row[name] for name in columns} for row in own.iter_rows(named=True)
    ]
    text = "Met where both bounds are within the limit, not met where neither is, undecided otherwise."
    none = "The study states no requirements."
    return DossierSection("requirements", "Requirements", (text,) if rows else (none,), tuple(rows))


def _rows(evaluation: Evaluation, variant: str) -> Iterator[dict[str, Any]]:
    row = evaluation.variants.filter(pl.col("variant") == variant).row(0, named=True)
    if row["examples"]:
        correct = round(row["clean_accuracy"] * row["examples"])
        yield _row(evaluation, variant, None, None, correct, row["examples"])
    for worst in evaluation.worst.filter(pl.col("variant") == variant).iter_rows(named=True):
        if worst["examples"]:
            yield _row(evaluation, variant, worst["norm"], worst["epsilon"], worst["correct"], worst["examples"])


def _row(
    evaluation: Evaluation, variant: str, norm: str | None, epsilon: float | None, correct: int, examples: int
) -> dict[str, Any]:
    low, high = share_bounds(correct, examples)
    change = dict.fromkeys(("change", "change low", "change high"))
    pairs = evaluation.pairs.filter((pl.col("variant") == variant) & (pl.col("attack") == (WORST if norm else CLEAN)))
    if norm is not None:
        pairs = pairs.filter((pl.col("norm") == norm) & (pl.col("epsilon") == epsilon))
    if len(pairs):
        pair = pairs.row(0, named=True)
        bounds = difference_bounds(pair["only_variant"], pair["only_baseline"], pair["examples"])
        change = dict(zip(change, (pair["difference"], *bounds), strict=True))
    return {
        "network": variant,
        "under": "no attack" if norm is None else "all attacks",
        "norm": norm,
        "radius": epsilon,
        "images": examples,
        "accuracy": correct / examples,
        "low": low,
        "high": high,
        **change,
    }
