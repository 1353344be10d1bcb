"""Mean accuracy of a variant on corrupted images, or how it differs from the baseline's on the same images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from brinell.analysis.evaluation import Evaluation
from brinell.analysis.records.corrupted_images import correct_images
from brinell.analysis.records.probes import CorruptionReading, Corruptions, Found
from brinell.analysis.requirements.bounded_value import BoundedValue
from brinell.analysis.significance.bounds import difference_bounds, share_bounds
from brinell.core.conditions import Condition


def corruption_accuracy(
    evaluation: Evaluation, condition: Condition, variant: str, baseline: str
) -> list[BoundedValue]:
    """The mean over the corruptions that `under` names, or all, and their severities; empty where nothing is measured.

    The bounds are those of a share of the images: an image that a network gets right under some corruptions counts in
    part, which varies less than a whole one.
    """
    own = _answer(evaluation, variant)
    chosen = [] if own is None else _chosen(own.record, condition)
    if own is None or not chosen:
        return []
    examples = own.record.examples
    accuracy = sum(own.record.readings[place].accuracy for place in chosen) / len(chosen)
    if not condition.signed:
        return [BoundedValue(accuracy, *share_bounds(accuracy * examples, examples), examples)]
    other = _answer(evaluation, baseline)
    shares = [None if found is None else _shares(found, chosen) for found in (own, other)]
    if other is None or shares[0] is None or shares[1] is None or _points(own.record) != _points(other.record):
        return []
    difference = shares[0] - shares[1]
    bounds = difference_bounds(
        float(difference.clip(min=0).sum()), float((-difference).clip(min=0).sum()), len(difference)
    )
    return [BoundedValue(float(difference.mean()), *bounds, len(difference))]


def _answer(evaluation: Evaluation, variant: str) -> Found[Corruptions] | None:
    return next((found for found in evaluation.probes.of(Corruptions) if found.variant == variant), None)


def _chosen(record: Corruptions, condition: Condition) -> list[int]:
    """Places of the readings that the condition is on."""
    return [place for place, reading in enumerate(record.readings) if condition.selects_attack(reading.corruption)]


def _points(record: Corruptions) -> list[tuple[str, int]]:
    def point(reading: CorruptionReading) -> tuple[str, int]:
        return reading.corruption, reading.severity

    return [*map(point, record.readings)]


def _shares(found: Found[Corruptions], chosen: list[int]) -> NDArray[np.float64] | None:
    """Of each image the share of the chosen readings that the network gets right; `None` where that is not kept."""
    correct = correct_images(found)
    return None if correct is None else correct[chosen].mean(axis=0)
