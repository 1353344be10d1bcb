"""The numbers that a search sets: `{search: [low, high]}` or `{search: [choice, ...]}` inside settings."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

KEY: Final = "search"
_DIGITS: Final = 3
"""Significant digits of a number in a range: searches that meet at about the same number share its variant."""

Place = tuple[str | int, ...]


@dataclass(frozen=True)
class SearchedNumber:
    """A range, of integers where both of its ends are integers, or a list of choices."""

    place: Place
    """Keys and indexes that lead to it."""
    low: float = 0.0
    high: float = 0.0
    choices: tuple[Any, ...] = ()
    """In ascending order where all are numbers; none: it is a range."""
    integer: bool = False

    @property
    def name(self) -> str:
        """The place with dots: `budget.macs`."""
        return ".".join(map(str, self.place))

    @property
    def ends(self) -> tuple[Any, Any]:
        """The two ends of the range, or the first and the last choice."""
        return (self.choices[0], self.choices[-1]) if self.choices else (self.low, self.high)

    def rounded(self, value: float) -> float | int:
        """A number of the range as it is written in settings."""
        if self.integer:
            return round(value)
        return min(self.high, max(self.low, float(f"{value:.{_DIGITS}g}")))


def searched_numbers(settings: Any, place: Place = ()) -> Iterator[SearchedNumber]:
    """Every searched number of `settings`, in the order in which they are written.

    Args:
        settings: Of a compressor, as a study has them.
        place: Where `settings` stands, which each number's place begins with.

    Returns:
        One after the other.

    Raises:
        ValueError: what stands under `search` is no list of two numbers in ascending order or of several choices; the
            message begins with the place.

    Examples:
        >>> [number.place for number in searched_numbers({"bits": {"search": [2, 8]}, "scale": 1.0})]
        [('bits',)]
    """
    if isinstance(settings, Mapping):
        if KEY in settings:
            yield _read(settings, place)
            return
        for name, part in settings.items():
            yield from searched_numbers(part, (*place, name))
    elif isinstance(settings, (list, tuple)):
        for index, part in enumerate(settings):
            yield from searched_numbers(part, (*place, index))


def corners(numbers: Sequence[SearchedNumber]) -> Iterator[tuple[Any, ...]]:
    """Both ends of all numbers together, and each choice between them by itself: what a search must be able to make.

    Args:
        numbers: What is searched.

    Returns:
        Values of all numbers, in their order.

    Examples:
        >>> list(corners(list(searched_numbers({"bits": {"search": [2, 4, 8]}}))))
        [(2,), (8,), (4,)]
    """
    yield from zip(*(number.ends for number in numbers), strict=True)
    first = [number.ends[0] for number in numbers]
    for place, number in enumerate(numbers):
        for choice in number.choices[1:-1]:
            yield (*first[:place], choice, *first[place + 1 :])


def filled(settings: Any, values: Mapping[Place, Any], place: Place = ()) -> Any:
    """`settings` with a value for each searched number.

    Args:
        settings: With `search` where a number is searched.
        values: By the place of each searched number.
        place: Where `settings` stands; for the function's own use.

    Returns:
        Settings of the same form.

    Examples:
        >>> filled({"bits": {"search": [2, 8]}}, {("bits",): 4})
        {'bits': 4}
    """
    if place in values:
        return values[place]
    if isinstance(settings, Mapping):
        return {name: filled(part, values, (*place, name)) for name, part in settings.items()}
    if isinstance(settings, (list, tuple)):
        return [filled(part, values, (*place, index)) for index, part in enumerate(settings)]
    return settings


def _read(settings: Mapping[str, Any], place: Place) -> SearchedNumber:
    where = ".".join(map(str, place)) or "settings"
    found, others = settings[KEY], [name for name in settings if name != KEY]
    if others:
        raise ValueError(f"{where}: 'search' stands alone, not beside {', '.join(map(str, others))}")
    if not isinstance(found, Sequence) or isinstance(found, str) or len(found) < 2:
        raise ValueError(f"{where}: expected search: [low, high], or a list of choices, not {found!r}")
    numbers = [value for value in found if _is_number(value)]
    if len(found) == 2 and len(numbers) == 2:
        low, high = numbers
        if low == high:
            raise ValueError(f"{where}: nothing lies between {low:g} and {high:g}; expected two different ends")
        if not low < high:
            raise ValueError(f"{where}: a range ascends: [{high:g}, {low:g}], not [{low:g}, {high:g}]")
        return SearchedNumber(place, low, high, integer=isinstance(low, int) and isinstance(high, int))
    if len(numbers) == len(found):
        found = sorted(set(numbers))
    if len({repr(value) for value in found}) < max(2, len(list(found))):
        raise ValueError(f"{where}: expected different choices, not {list(settings[KEY])}")
    return SearchedNumber(place, choices=tuple(found))


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
