"""What a study will take, in forward passes of one image: for `--dry-run` and for the time that is left."""

from __future__ import annotations

from typing import Final

from brinell.attacks import ATTACKS
from brinell.compressors import COMPRESSORS
from brinell.core import Block, PlannedTrial, PlannedVariant, Point
from brinell.nn import SURROGATES

_GRADIENT: Final = 3
"""Forward passes that a step of training takes: one forward, and one backward, which costs twice as much."""


def variant_passes(variant: PlannedVariant, training_examples: int) -> float:
    """Training's forward and backward passes; 0 for weights taken as they are."""
    settings = variant.settings
    epochs = COMPRESSORS.parse(settings).epochs if variant.family in COMPRESSORS else int(settings.get("epochs", 0))
    adversary = settings.get("adversarial") or (settings.get("train") or {}).get("adversarial") or {}
    adversarial = float(adversary.get("fraction", 0)) * int(adversary.get("steps", 0))
    taught = bool((settings.get("train") or {}).get("distillation")) or variant.family == "distill"
    return epochs * training_examples * (_GRADIENT * (1 + adversarial) + taught)


def trial_passes(trial: PlannedTrial, block: Block, *, judged: int = 1) -> float:
    """Crafting all points of one block, and judging each of them as floats and as bytes on so many variants."""
    crafting = 0.0
    if trial.kind in ATTACKS:
        attack = ATTACKS.parse({name: value for name, value in trial.spec.items() if name != "revision"})
        steps: dict[float | None, int] = {}
        for point in trial.points:
            steps[point.epsilon] = max(steps.get(point.epsilon, 0), point.steps)
        runs = len(SURROGATES) * (1 + ("loss" in type(attack).model_fields)) if trial.view == "all" else 1
        crafting = runs * sum(attack.at(Point(*point)).passes for point in steps.items())
    return (block.stop - block.start) * (crafting + 2 * judged * len(trial.points))
