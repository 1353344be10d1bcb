"""Where names stand beside the points of a chart: on no other name, nor on or nearer to somebody else's point."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

LETTER: Final = 6.2
"""Pixels a letter takes at the charts' 11.5; names are not measured, for fonts differ."""
LINE: Final = 15.0
"""Pixels from a name to the one under it."""
AWAY: Final = 12.0
"""Pixels between the middle of a point and its name."""
_POINT: Final = 6.0
_FAR: Final = AWAY + 3 * LINE
"""No name is so far from its point: what lies beyond is neither covered nor nearer."""
_RISES: Final = (0.0, -1.0, 1.0, -2.0, 2.0, -3.0, 3.0)
_COSTS: Final = {"point": 100.0, "nearer": 100.0, "ring": 8.0, "bar": 4.0}
"""Of covering a point, of standing clearly nearer to another point than to its own, of covering a ring or a bar."""


class Box(NamedTuple):
    """A rectangle in pixels; y grows downwards."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: Box) -> bool:
        """Whether the two share more than an edge."""
        beside = self.right <= other.left or other.right <= self.left
        return not (beside or self.bottom <= other.top or other.bottom <= self.top)


@dataclass(frozen=True)
class Marker:
    """A point and the text that names it, in pixels: the `bar` of its interval, and a hollow `ring` in line with it."""

    name: str
    text: str
    x: float
    y: float
    bar: tuple[float, float]
    ring: float


@dataclass(frozen=True)
class Label:
    """A name's place: its alignment (`left`: it begins to the right of its point) and its height."""

    side: Literal["left", "right"]
    y: float
    box: Box


def place(dots: Sequence[Marker], first: Sequence[str], size: tuple[float, float]) -> dict[str, Label]:
    """Names that find room on a chart of `size` (width, height), those of `first` before others, and in any case.

    A name stands level with its point where it can, otherwise up to three lines above or below; others than `first` are
    left out where every place lies on a name, on another's point, or nearer to that than to its own.
    """
    rank = {name: number for number, name in enumerate(first)}
    found: dict[str, Label] = {}
    for dot in sorted(dots, key=lambda dot: rank.get(dot.name, len(rank))):
        options = [(_cost(dot, tag, rise, dots, found.values(), size), tag) for rise, tag in _options(dot, size[0])]
        cost, tag = min(options, key=lambda option: option[0])
        if cost < _COSTS["point"] or dot.name in rank:
            found[dot.name] = tag
    return found


def _options(dot: Marker, width: float) -> Iterator[tuple[float, Label]]:
    """Towards the middle of the chart before outwards, level before above, above before below."""
    long = LETTER * len(dot.text)
    sides: list[Literal["left", "right"]] = ["right", "left"] if dot.x > width / 2 else ["left", "right"]
    for rise in _RISES:
        for side in sides:
            y = dot.y + rise * LINE
            left = dot.x + AWAY if side == "left" else dot.x - AWAY - long
            yield rise, Label(side, y, Box(left, y - LINE / 2, left + long, y + LINE / 2))


def _cost(
    dot: Marker, tag: Label, rise: float, dots: Sequence[Marker], taken: Collection[Label], size: tuple[float, float]
) -> float:
    """What is wrong with a place. Names and the chart's edges weigh most, for they make a name unreadable."""
    box, chart = tag.box, Box(0, 0, *size)
    cost = abs(rise)
    cost += 300 * sum(box.meets(other.box) for other in taken)
    cost += 200 * (box.left < chart.left or box.right > chart.right or box.top < chart.top or box.bottom > chart.bottom)
    own = _distance(box, dot)
    for other in dots:
        if not box.left - _FAR < other.x < box.right + _FAR:
            continue
        if other is not dot:
            cost += _COSTS["nearer"] * (_distance(box, other) < 0.9 * own)
            cost += _COSTS["point"] * box.meets(_round(other.x, other.y))
            cost += _COSTS["bar"] * box.meets(Box(other.x - 1, other.bar[0], other.x + 1, other.bar[1]))
        cost += _COSTS["ring"] * box.meets(_round(other.x, other.ring))
    return cost


def _distance(box: Box, dot: Marker) -> float:
    aside = max(box.left - dot.x, dot.x - box.right, 0)
    return math.hypot(aside, max(box.top - dot.y, dot.y - box.bottom, 0))


def _round(x: float, y: float) -> Box:
    return Box(x - _POINT, y - _POINT, x + _POINT, y + _POINT)
