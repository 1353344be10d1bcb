"""What a training run went through, epoch by epoch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Final

TRAINING_SCHEMA: Final[dict[str, str]] = {
    "epoch": "int32",
    "stage": "string",
    "loss": "float64",
    "learning_rate": "float64",
    "accuracy": "float64?",
    "seconds": "float64",
}
"""Columns of `frame_columns()`, in the notation of `brinell.core.ROW_SCHEMA`."""


@dataclass(frozen=True)
class Epoch:
    """One pass over the data; `epoch` counts from 1."""

    epoch: int
    loss: float
    """Mean over the examples, each with the weights of its own step."""
    learning_rate: float
    """That of the last step."""
    accuracy: float | None
    """On the examples held out; `None` where there are none."""
    seconds: float


@dataclass(frozen=True)
class History:
    """The epochs of one `fit`; `stage` is the label it was given."""

    stage: str
    epochs: tuple[Epoch, ...]

    def frame_columns(self) -> dict[str, list[Any]]:
        """Columns of `TRAINING_SCHEMA`, one row an epoch."""
        return training_columns([self])


def training_columns(histories: Iterable[History]) -> dict[str, list[Any]]:
    """Combine the histories of several stages into one table with the columns of `TRAINING_SCHEMA`.

    Args:
        histories: One a stage, in order.

    Returns:
        Lists of equal length, one value an epoch, by column.

    Examples:
        >>> import brinell
        >>> epoch = brinell.training.Epoch(epoch=1, loss=0.5, learning_rate=0.1, accuracy=None, seconds=2.0)
        >>> training_columns([brinell.training.History("train", (epoch,))])["loss"]
        [0.5]
    """
    rows = [{"stage": history.stage, **asdict(epoch)} for history in histories for epoch in history.epochs]
    return {name: [row[name] for row in rows] for name in TRAINING_SCHEMA}
