"""Variants that searches of `limits` made and did not confirm: what becomes of them is an outcome, and no failure."""

from __future__ import annotations

from brinell.core import StudyPlan


def screened_variants(plan: StudyPlan) -> set[str]:
    """Keys of variants that a search added to the study, steps of chains among them, without those it confirmed.

    A parent of a confirmed variant is not among them: it is needed.
    """
    if not plan.limits:
        return set()
    parents = {variant.key: variant.parent for variant in plan.variants}
    needed = set()
    for key in (one.variant for limit in plan.limits for one in limit.tried if one.confirmed):
        at: str | None = key
        while at is not None and at not in needed:
            needed.add(at)
            at = parents.get(at)
    written = set(plan.config.get("variants", {}))
    return {variant.key for variant in plan.variants if variant.name not in written} - needed
