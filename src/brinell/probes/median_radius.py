"""The radius at which a probe looks at networks, where a study's attacks are to decide it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from brinell.attacks import Attack

_EPSILON: Final = 8 / 255
"""The radius where a study has none of its own."""


def median_radius(attacks: Mapping[str, Sequence[Attack]]) -> float:
    """The middle one of the linf radii of gradient attacks by name, each at all of its points."""
    points = [attack for swept in attacks.values() for attack in swept if attack.needs == "gradient"]
    radii = {attack.point.epsilon for attack in points if attack.distance_norm == "linf" and attack.point.epsilon}
    return sorted(radii)[(len(radii) - 1) // 2] if radii else _EPSILON
