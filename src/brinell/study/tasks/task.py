"""What every task is: one unit of work that a worker does in one go."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

from brinell.core import BrinellError, PlannedVariant, Progress
from brinell.store import RunStore
from brinell.study.worker_context import WorkerContext

Kind = Literal["making", "judging", "asking"]
Status = Literal["done", "failed", "unsupported", "blocked"]


class BlockedError(BrinellError):
    """Something that the task needs was not made; what could be done without it is done."""


@dataclass(frozen=True)
class Task(ABC):
    """One unit of work. `after` are ids of the tasks that must be done before it starts."""

    id: str
    """Unique in a plan, and the same in every run of it: names its records and its failures."""
    label: str
    variant: PlannedVariant
    """The variant that is made, attacked or probed."""
    after: tuple[str, ...]
    passes: float
    """Estimated forward passes of one image; a backward pass counts as two."""
    after_any: tuple[str, ...] = ()
    """Ids of the tasks that must have ended before, whatever their status."""

    kind: ClassVar[Kind]

    @property
    @abstractmethod
    def priority(self) -> int:
        """Of the tasks that may start, those with the lowest number start first."""

    @property
    def exclusive(self) -> bool:
        """Whether nothing else may run meanwhile."""
        return False

    @property
    def records(self) -> tuple[str, ...]:
        """Names under which a failure of it is kept in the store."""
        return (self.id,)

    @abstractmethod
    def missing(self, store: RunStore, classes: int) -> Self | None:
        """The part of the task whose results `store` does not hold; `None` if it is done."""

    def damaged(self, store: RunStore) -> Iterable[str]:
        """Of the part that is `missing`, the files that `store` holds all the same, by their paths in the run."""
        return ()

    @abstractmethod
    def run(self, context: WorkerContext, progress: Progress) -> None:
        """Do it, and write the results to the store.

        Raises:
            BlockedError: something that it needs was not made.
            UnsupportedError: the combination makes no sense.
            StoreError: the run's folder cannot be read or written.
        """

    def unfinished(self, store: RunStore) -> Iterable[str]:
        """Those of its `records` whose results are missing after a failure."""
        return self.records


@dataclass(frozen=True)
class TaskResult:
    """How a task ended; `message` is the reason unless it is done."""

    task: Task
    status: Status
    message: str = ""
