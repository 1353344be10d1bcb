"""How often a training writes its checkpoint."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, NamedTuple


class CheckpointIntervals(NamedTuple):
    """Seconds between two checkpoints."""

    within_epoch: float = 20.0
    at_epoch_end: float = 2.0
    """Longer than 0, because an epoch may take less time than writing does."""


_INTERVALS: Final[ContextVar[CheckpointIntervals]] = ContextVar("checkpoint_intervals")


def current_intervals() -> CheckpointIntervals:
    """The intervals that hold now."""
    return _INTERVALS.get(CheckpointIntervals())


@contextmanager
def checkpoint_intervals(within_epoch: float = 0.0, at_epoch_end: float = 0.0) -> Iterator[None]:
    """Write checkpoints at other intervals inside this context, for tests of interrupted trainings.

    Args:
        within_epoch: Seconds between two checkpoints within an epoch; 0 for one after every step.
        at_epoch_end: Seconds between the checkpoint at the end of an epoch and the one before.

    Returns:
        A block.

    Examples:
        >>> from brinell.training.checkpoint_intervals import current_intervals
        >>> with checkpoint_intervals():
        ...     current_intervals()
        CheckpointIntervals(within_epoch=0.0, at_epoch_end=0.0)
    """
    token = _INTERVALS.set(CheckpointIntervals(within_epoch, at_epoch_end))
    try:
        yield
    finally:
        _INTERVALS.reset(token)
