"""What every search is: it proposes values, is told what came of them, and ends by itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Outcome:
    """What came of a proposal."""

    cost: float | None
    """What is minimised; `None` where nothing could be made."""
    violation: float
    """How far the conditions are missed; they are kept where it is not above 0."""
    second: float | None = None
    """The second cost, where two are minimised."""

    @property
    def kept(self) -> bool:
        """Whether something was made that keeps the conditions."""
        return self.cost is not None and self.violation <= 0

    @property
    def costs(self) -> tuple[float, ...]:
        """What is minimised; empty where nothing could be made."""
        return tuple(cost for cost in (self.cost, self.second) if cost is not None)


class Search(ABC):
    """Asked for one proposal at a time, and told its outcome before the next. Equal outcomes give equal proposals."""

    @abstractmethod
    def ask(self) -> tuple[Any, ...] | None:
        """A value for each searched number; `None` at the end of the search."""

    @abstractmethod
    def tell(self, values: tuple[Any, ...], outcome: Outcome) -> None:
        """What came of the values that were proposed last."""
