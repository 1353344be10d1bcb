"""A covering design of two lists: the pairs that the suite tries; all others are marked `cross` (`make test-all`)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import pytest


def covering_pairs(
    rows: Sequence[Any],
    columns: Sequence[Any],
    *,
    each: int = 1,
    group: Callable[[Any], Hashable] = lambda column: None,
    name: Callable[[Any], str] = str,
) -> list[Any]:
    """All pairs of `rows` and `columns` for `parametrize`.

    Of every group of columns, each row meets `each` in turn, so that rows next to each other (a file of odd networks)
    meet all of a group between them, and each column meets rows from the whole list. Which pairs these are depends on
    the order of the lists alone. The other pairs are marked `cross`.
    """
    groups: dict[Hashable, list[Any]] = defaultdict(list)
    for column in columns:
        groups[group(column)].append(column)
    pairs = []
    for place, row in enumerate(rows):
        for members in groups.values():
            chosen = {(place * each + turn) % len(members) for turn in range(each)}
            for index, column in enumerate(members):
                marks = () if index in chosen else (pytest.mark.cross,)
                pairs.append(pytest.param(row, column, id=f"{name(row)}-{name(column)}", marks=marks))
    return pairs
