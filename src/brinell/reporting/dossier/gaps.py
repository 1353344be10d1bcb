"""Deviations from what was planned, and what is missing."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from brinell.analysis import Evaluation
from brinell.analysis.records.probes import Corruptions, Masking
from brinell.reporting.dossier.section import DossierSection


def deviations(evaluation: Evaluation, variants: Sequence[str], problems: Sequence[str]) -> DossierSection:
    """What was computed in another way than planned, or could not be read."""
    remarks = evaluation.computations.filter(pl.col("variant").is_in(list(variants))).explode("remarks")
    noted = remarks.drop_nulls("remarks").unique(["variant", "attack", "remarks"], maintain_order=True)
    rows = [
        {"what": f"{row['attack']} on {row['variant']}", "deviation": row["remarks"]}
        for row in noted.iter_rows(named=True)
    ]
    rows += [{"what": "reading the run", "deviation": problem} for problem in problems]
    source = evaluation.plan.paper
    if source is not None:
        rows.append({"what": "paper", "deviation": f"reproduces {source.kind}; see the report for its differences"})
    return DossierSection("deviations", "Deviations", () if rows else ("None is known.",), tuple(rows))


def missing(evaluation: Evaluation, variants: Sequence[str]) -> DossierSection:
    """What was planned and is not measured, and what nothing was planned for."""
    open_trials = evaluation.coverage.filter(pl.col("variant").is_in(list(variants)) & (pl.col("state") != "done"))
    rows = [
        {
            "what": f"{row['attack']} on {row['variant']}",
            "state": row["state"],
            "reason": row["reason"] or f"{row['examples']} of {row['planned']} examples",
        }
        for row in open_trials.iter_rows(named=True)
    ]
    unanswered = evaluation.unanswered.filter(pl.col("variant").is_in(list(variants)))
    rows += [
        {"what": f"probe {row['kind']} of {row['variant']}", "state": row["state"], "reason": row["reason"]}
        for row in unanswered.iter_rows(named=True)
    ]
    return DossierSection("missing", "What is missing", tuple(_not_planned(evaluation, variants)), tuple(rows))


def _not_planned(evaluation: Evaluation, variants: Sequence[str]) -> list[str]:
    norms = set(evaluation.readings["norm"].drop_nulls())
    probed = {found.variant for found in evaluation.probes.of(Masking)}
    corrupted = {found.variant for found in evaluation.probes.of(Corruptions)}
    found = [
        f"No attack in the norm {norm} was run; nothing is claimed in it."
        for norm in ("linf", "l2", "l1")
        if norm not in norms
    ]
    for title, known in (("probed for masked gradients", probed), ("tested on corrupted images", corrupted)):
        if without := [variant for variant in variants if variant not in known]:
            found.append(f"Not {title}: {', '.join(without)}.")
    if not evaluation.plan.requirements:
        found.append("The study states no requirements, so that nothing is judged acceptable or not.")
    return found
