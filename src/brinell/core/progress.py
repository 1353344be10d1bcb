"""How long work reports how far it is, and how a time is written."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called as work advances: `done` of `total` units (batches, steps, examples) of what `label` names."""

    def __call__(self, label: str, done: float, total: float) -> None:
        """Report; must be cheap and must not raise."""


def no_progress(label: str, done: float, total: float) -> None:
    """A `Progress` that says nothing.

    Args:
        label: What is done.
        done: How much of it.
        total: Of how much.

    Examples:
        >>> no_progress("train", 1, 10)
    """


def duration(seconds: float) -> str:
    """A time for people: `40 s`, `12 min`, `2.5 h`.

    Args:
        seconds: At least 0.

    Returns:
        Two or three digits and the unit.

    Examples:
        >>> duration(40), duration(720), duration(9000)
        ('40 s', '12 min', '2.5 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"
