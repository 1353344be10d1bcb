"""Why the attacks were enough, or not: checks after Carlini et al. 2019, each with what was found."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from brinell.analysis import Evaluation
from brinell.analysis.records.probes import Masking
from brinell.reporting.dossier.section import DossierSection, Value
from brinell.reporting.dossier.threat_model import QUERIES, TRANSFER, WHITE_BOX, knowledge
from brinell.reporting.masking_text import evidence
from brinell.reporting.tables.masking import verdict

_MANY_STEPS = 10
"""Steps of an iterative attack below which it may not have converged."""


def adequacy(evaluation: Evaluation, variants: Sequence[str]) -> DossierSection:
    """One row a network and check: whether it is passed, and the evidence."""
    statements = (
        "A robust accuracy is an upper bound: these attacks failed, others may succeed. Checks follow Carlini et al. "
        "2019, On Evaluating Adversarial Robustness; what is not passed is a reason to doubt the results.",
        "Success is always judged on the deployed network itself, per image over all attacks (worst case).",
    )
    rows = [row for variant in variants for row in _checks(evaluation, variant)]
    return DossierSection("adequacy", "How it was attacked, and whether that was enough", statements, tuple(rows))


def _checks(evaluation: Evaluation, variant: str) -> list[dict[str, Value]]:
    own = evaluation.readings.filter(pl.col("variant") == variant)
    by_attack = {str(name[0]): frame for name, frame in own.group_by("attack", maintain_order=True)}
    known = {name: knowledge(frame) for name, frame in by_attack.items()}
    kinds = list(dict.fromkeys(own["kind"]))
    steps = int(own["steps"].max() or 0)  # type: ignore[arg-type]
    masking = verdict(evaluation, variant)
    signs = evaluation.masking_signs.filter(pl.col("variant") == variant)
    probe = next((found.record for found in evaluation.probes.of(Masking) if found.variant == variant), None)
    found = [evidence(row) for row in signs.iter_rows(named=True)]
    if probe is not None:
        found.append(f"probe on {probe.examples} examples: {probe.summary}")
    return [
        _check(variant, "attacked with full knowledge (white-box)", _named(known, WHITE_BOX)),
        _check(variant, "attacked without gradients (queries)", _named(known, QUERIES) or _probed(probe, "Square")),
        _check(variant, "attacked by transfer", _named(known, TRANSFER) or _probed(probe, "transfer")),
        _check(variant, "more than one kind of attack", ", ".join(kinds) if len(kinds) > 1 else ""),
        _check(variant, f"an attack of {_MANY_STEPS} steps or more", f"{steps} steps" if steps >= _MANY_STEPS else ""),
        _check(variant, "accuracy falls to that of guessing at a large radius", _breaks(evaluation, variant)),
        {
            "network": variant,
            "check": "no sign of masked gradients",
            "passed": masking == "no sign" and probe is not None,
            "evidence": "; ".join(found) or ("not probed" if probe is None else "nothing found"),
        },
    ]


def _check(variant: str, check: str, found: str) -> dict[str, Value]:
    return {"network": variant, "check": check, "passed": bool(found), "evidence": found or "none"}


def _named(known: dict[str, str], kind: str) -> str:
    return ", ".join(name for name, own in known.items() if own == kind)


def _probed(probe: Masking | None, check: str) -> str:
    """Whether one of the masking probe's checks is such an attack."""
    checks = [] if probe is None else [found.check for found in probe.evidence if check in found.check]
    return f"by the masking probe: {checks[0]}" if checks else ""


def _breaks(evaluation: Evaluation, variant: str) -> str:
    """Whether the attacks succeed where they must; a defence that nothing breaks at any radius is doubtful."""
    worst = evaluation.worst.filter(pl.col("variant") == variant).sort("epsilon")
    broken = worst.filter(pl.col("robust_accuracy") <= evaluation.line)
    return "" if broken.is_empty() else f"within {broken['norm'][0]} {broken['epsilon'][0]:.4g}"
