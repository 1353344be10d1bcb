"""Variants that searches of `limits` made and did not confirm: what becomes of them is an outcome, and no failure."""

from __future__ import annotations

from brinell.core import StudyPlan


def screened_variants(plan: StudyPlan) -> set[str]:
    """Keys of variants that a search added to the study, steps of chains among them, without those it confirmed.

    A parent of a confirmed variant is not among them: it is needed.
    """
    if not plan.limits:
        return set()
    confirmed = (one.variant for limit in plan.limits for one in limit.tried if one.confirmed)
    needed = {step.key for key in confirmed for step in plan.lineage(key)}
    written = set(plan.config.get("variants", {}))
    return {variant.key for variant in plan.variants if variant.name not in written} - needed
