"""The threat model, in the terms of NIST AI 100-2 E2025, and the attacks that stood for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import polars as pl

from brinell.analysis import CLEAN, Evaluation
from brinell.core import PlannedTrial
from brinell.reporting.dossier.section import DossierSection
from brinell.reporting.formats import radius, settings

SOURCE: Final = (
    "NIST AI 100-2 E2025, Adversarial Machine Learning: A Taxonomy and Terminology of Attacks and Mitigations"
)
WHITE_BOX: Final = "white-box"
QUERIES: Final = "black-box, query access"
TRANSFER: Final = "black-box, transfer"


def threat_model(evaluation: Evaluation, variants: Sequence[str]) -> DossierSection:
    """What attackers can do, know and want; one row for each attack and reading that stands for it."""
    norms = sorted({trial.norm for trial in evaluation.plan.trials if trial.kind != CLEAN and trial.norm})
    statements = (
        f"Terms are those of {SOURCE}.",
        "System: predictive AI, image classification.",
        "Stage of the attack: deployment. Class: evasion.",
        "Attacker's goal: integrity violation, that is, a wrong class for an image that is classified correctly. "
        "Attacks are untargeted unless their settings name targets.",
        "Attacker's capability: testing data control, digital and per image, bounded in the norm "
        f"{', '.join(norms) or 'none'}; pixels stay in [0, 1].",
        "Attacker's knowledge: for each attack below. White-box attackers know weights and gradients of the very "
        "network; those with query access see its scores; transfer attackers know another network.",
        "Not considered: training-time attacks (poisoning, backdoors), privacy attacks (membership inference, model "
        "extraction), availability, physical attacks, and perturbations without a bound in a norm.",
    )
    own = evaluation.readings.filter(pl.col("variant").is_in(list(variants)))
    rows = [_row(trial, own.filter(pl.col("attack") == trial.attack)) for trial in _one_an_attack(evaluation, own)]
    return DossierSection("threat_model", "Threat model", statements, tuple(rows))


def knowledge(readings: pl.DataFrame) -> str:
    """What the attacker of some readings knows."""
    if (readings["crafted_on"] != readings["variant"]).any():
        return TRANSFER
    return WHITE_BOX if (readings["backwards"].fill_null(0) > 0).any() else QUERIES


def _one_an_attack(evaluation: Evaluation, readings: pl.DataFrame) -> list[PlannedTrial]:
    measured = set(readings["attack"])
    found = {trial.attack: trial for trial in reversed(evaluation.plan.trials) if trial.attack in measured}
    return [found[name] for name in dict.fromkeys(trial.attack for trial in evaluation.plan.trials) if name in found]


def _row(trial: PlannedTrial, readings: pl.DataFrame) -> dict[str, Any]:
    points = readings.select("epsilon", "steps").unique(maintain_order=True)
    radii = dict.fromkeys(radius(epsilon, trial.norm or "linf") for epsilon in points["epsilon"])
    return {
        "attack": trial.attack,
        "kind": trial.kind,
        "knowledge": knowledge(readings),
        "norm": trial.norm,
        "radii": ", ".join(radii),
        "steps": ", ".join(str(steps) for steps in sorted(set(points["steps"]))),
        "settings": settings(trial.spec),
        "seeds": ", ".join(str(seed) for seed in sorted(set(readings["seed"]))),
        "examples": int(readings["examples"].max() or 0),  # type: ignore[arg-type]
    }
