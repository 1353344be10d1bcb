"""Conditions on what changed, such as `robust_accuracy under pgd < -0.02`: read by a grammar, never evaluated as code.

    condition = METRIC [under ATTACK] [of VARIANT] OPERATOR NUMBER[%]
    operator  = < | <= | > | >=

METRIC is one of `METRICS`, ATTACK and VARIANT are names, in quotes where they hold blanks, and may hold `*`. The number
is a change, second run less first; with `%` it is a change in percent of the first run's value.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any, Final

import polars as pl

from brinell.analysis.compare.changes import METRICS
from brinell.core import ConfigurationError

OPERATORS: Final[dict[str, Callable[[float, float], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_TOKEN: Final = re.compile(r"""\s*(?:"([^"]*)"|'([^']*)'|(<=|>=|<|>)|([^\s<>"']+))""")
GRAMMAR: Final = "METRIC [under ATTACK] [of VARIANT] < | <= | > | >= NUMBER[%]"


@dataclass(frozen=True)
class Condition:
    """A change that must not happen."""

    text: str
    metric: str
    operator: str
    limit: float
    percent: bool = False
    attack: str | None = None
    variant: str | None = None

    def select(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The rows of `CHANGE_SCHEMA` that it speaks of."""
        chosen = frame.filter(pl.col("metric") == self.metric)
        for column, pattern in (("attack", self.attack), ("variant", self.variant)):
            if pattern is not None:
                names = [name for name in chosen[column].unique() if name is not None and fnmatchcase(name, pattern)]
                chosen = chosen.filter(pl.col(column).is_in(names))
        return chosen

    def crossed(self, row: dict[str, Any]) -> bool:
        """Whether a row crosses it. One that was not measured whole does, and one that the second run lacks: nobody
        can say that it did not change. What only the second run has is new, and does not.
        """
        if row["lacking"] is not None:
            return True
        if row["before"] is None or row["after"] is None:
            return row["before"] is not None
        change = row["change"]
        if self.percent:
            grown = math.inf if change > 0 else -math.inf
            change = 0.0 if row["change"] == 0 else 100 * change / abs(row["before"]) if row["before"] else grown
        return OPERATORS[self.operator](change, self.limit)


def parse(text: str) -> Condition:
    """Read a condition.

    Raises:
        ConfigurationError: it does not follow the grammar; the message says where, and what would.
    """
    words = _words(text)
    metric = words[0][0] if words else ""
    if metric not in METRICS:
        near = get_close_matches(metric, METRICS, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise _error(text, f"{metric!r} is no metric; {hint}there are {', '.join(METRICS)}")
    filters: dict[str, str] = {}
    rest = words[1:]
    while len(rest) >= 2 and rest[0] in (("under", "word"), ("of", "word")):
        name = "attack" if rest[0][0] == "under" else "variant"
        if name in filters:
            raise _error(text, f"{rest[0][0]!r} stands twice; repeat --fail-if for another {name}")
        filters[name] = rest[1][0]
        rest = rest[2:]
    if len(rest) != 2 or rest[0][1] != "operator":
        found = " ".join(word for word, _ in rest) or "nothing"
        raise _error(text, f"expected an operator and a number after {metric!r}, found {found!r}")
    percent = rest[1][0].endswith("%")
    try:
        limit = float(rest[1][0].removesuffix("%"))
    except ValueError:
        limit = math.nan
    if not math.isfinite(limit):
        raise _error(text, f"{rest[1][0]!r} is no number")
    return Condition(text, metric, rest[0][0], limit, percent, filters.get("attack"), filters.get("variant"))


def _words(text: str) -> list[tuple[str, str]]:
    words, place = [], 0
    text = text.rstrip()
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None:
            raise _error(text, f"a quote that nothing ends: {text[place:]!r}")
        double, single, sign, word = found.groups()
        if sign is not None:
            words.append((sign, "operator"))
        else:
            quoted = double if double is not None else single
            words.append((word, "word") if quoted is None else (quoted, "quoted"))
        place = found.end()
    return words


def _error(text: str, what: str) -> ConfigurationError:
    return ConfigurationError(f"--fail-if {text!r}: {what}; it reads {GRAMMAR}")
