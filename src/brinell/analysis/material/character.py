"""A network as a material: toughness, ductility, and the character that they make (BreakingBED, section 4.2).

The paper judges strong, ductile and brittle by eye. Here they follow from the stress-strain curve by the thresholds
below, which the report prints.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

STRONG = 0.5
"""Toughness from which a network is strong: on average over the stresses it keeps half of its clean accuracy."""

DUCTILE = 0.25
"""Ductility from which a network that is not strong is ductile: it gives way over a quarter of the stresses or more."""

ELASTIC, SPENT = 0.1, 0.9
"""Shares of the strain at the breaking line between which a network is said to give way."""

Character = Literal["strong", "ductile", "brittle"]
Curve = Sequence[tuple[float, float]]
"""(stress, strain), ascending from (0, 0)."""


def mean_retention(curve: Curve) -> float | None:
    """Toughness: the mean of 1 - strain over the stresses, from 0 to the strongest; `None` where there is no stress.

    Between two readings strain is taken to change linearly.

    Args:
        curve: Stress and strain of each reading, by rising stress.

    Returns:
        1 for a network that loses nothing; negative for one that loses more than all.

    Examples:
        >>> mean_retention(((0.0, 0.0), (8.0, 1.0)))
        0.5
    """
    if len(curve) < 2 or curve[-1][0] <= 0:
        return None
    area = sum(
        (after - before) * (1 - (strain_before + strain_after) / 2)
        for (before, strain_before), (after, strain_after) in pairwise(curve)
    )
    return area / curve[-1][0]


def transition_width(curve: Curve, breaking_strain: float | None) -> float | None:
    """Ductility: the share of the stresses over which strain goes from 0.1 to 0.9 of its value at the breaking line.

    A curve that never gets to 0.9 counts up to its end; `None` for one that never gets to 0.1, and where there is
    nothing to lose before the line.

    Args:
        curve: Stress and strain of each reading, by rising stress.
        breaking_strain: Of `breaking_strain`.

    Returns:
        From 0 to 1.

    Examples:
        >>> round(transition_width(((0.0, 0.0), (10.0, 1.0)), 1.0), 3)
        0.8
    """
    if not breaking_strain or breaking_strain <= 0 or len(curve) < 2 or curve[-1][0] <= 0:
        return None
    start = _reach(curve, ELASTIC * breaking_strain)
    if start is None:
        return None
    end = _reach(curve, SPENT * breaking_strain)
    return ((curve[-1][0] if end is None else end) - start) / curve[-1][0]


def classify_character(tough: float | None, ductile: float | None, breaking_strain: float | None) -> Character | None:
    """Strong, ductile or brittle; `None` where nothing can be said: no curve, or no better than guessing unattacked.

    Args:
        tough: Of `mean_retention`.
        ductile: Of `transition_width`.
        breaking_strain: Of `breaking_strain`.

    Returns:
        A word.

    Examples:
        >>> classify_character(0.1, 0.01, 0.8)
        'brittle'
    """
    if tough is None or not breaking_strain:
        return None
    if tough >= STRONG or ductile is None:
        return "strong"
    return "ductile" if ductile >= DUCTILE else "brittle"


def _reach(curve: Curve, strain: float) -> float | None:
    """The smallest stress at which the curve is at `strain`."""
    for (before, low), (after, high) in pairwise(curve):
        if high >= strain:
            return before + (after - before) * (strain - low) / (high - low) if high > low else after
    return None
