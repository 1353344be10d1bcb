"""How long work reports that it is alive: one callable, no framework."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called as work advances: `done` of `total` units (batches, steps, examples) of what `label` names."""

    def __call__(self, label: str, done: float, total: float) -> None:
        """Report; must be cheap and must not raise."""


def no_progress(label: str, done: float, total: float) -> None:
    """A `Progress` that says nothing."""
