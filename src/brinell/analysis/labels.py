"""Labels: what a reader calls a variant, one for each."""

from __future__ import annotations

from collections import Counter

from brinell.core import StudyPlan


def labels(plan: StudyPlan) -> dict[str, str]:
    """Label by key: the variant's name, with its seed and at last its key where a name alone would say two."""
    found = {variant.key: variant.name for variant in plan.variants}
    for more in ({v.key: f" (seed {v.seed})" for v in plan.variants}, {v.key: f" {v.key}" for v in plan.variants}):
        count = Counter(found.values())
        found = {key: label + more[key] if count[label] > 1 else label for key, label in found.items()}
    return found


def file_names(plan: StudyPlan) -> dict[str, str]:
    """By key, what a variant's file is called without its ending: the name, with the seed where there are several."""
    count = Counter(variant.name for variant in plan.variants)
    return {v.key: f"{v.name}-seed{v.seed}" if count[v.name] > 1 else v.name for v in plan.variants}
