"""The breaking line and the stress at which a network falls to it."""

from __future__ import annotations

import math
from collections.abc import Iterable


def breaking_line(classes: int) -> float:
    """Accuracy of random guessing.

    Args:
        classes: How many there are.

    Returns:
        From 0 to 1.

    Examples:
        >>> breaking_line(10)
        0.1
    """
    return 1 / classes if classes > 0 else 1.0


def breaking_stress(curve: Iterable[tuple[float, float | None]], line: float) -> float | None:
    """The smallest stress at which accuracy is at or under `line`; `None`: not reached.

    `curve` holds (stress, accuracy); between two readings accuracy is taken to fall linearly. Unknown accuracies are
    left out.

    Args:
        curve: In any order.
        line: Accuracy of random guessing.

    Returns:
        In the units of the curve's stresses.

    Examples:
        >>> breaking_stress([(0, 0.9), (8, 0.5), (16, 0.1)], line=0.3)
        12.0
    """
    known = sorted((stress, value) for stress, value in curve if value is not None and not math.isnan(value))
    before: tuple[float, float] | None = None
    for stress, accuracy in known:
        if accuracy <= line:
            if before is None:
                return stress
            share = (before[1] - line) / (before[1] - accuracy)
            return before[0] + share * (stress - before[0])
        before = (stress, accuracy)
    return None


def breaking_strain(clean_accuracy: float | None, line: float) -> float | None:
    """The strain that brings a network from its clean accuracy to `line`; 0 for one that is there already.

    Args:
        clean_accuracy: From 0 to 1; `None` where it is not known.
        line: Accuracy of random guessing.

    Returns:
        From 0 to 1; `None` where accuracy is not known or 0.

    Examples:
        >>> round(breaking_strain(0.9, 0.1), 3)
        0.889
    """
    if clean_accuracy is None or not clean_accuracy > 0:
        return None
    return max(0.0, (clean_accuracy - line) / clean_accuracy)
