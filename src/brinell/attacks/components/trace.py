"""Loss and accuracy of an attack's current iterate along its steps, as sums that add up over batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from brinell.attacks.harness.losses import succeeded
from brinell.core import TRACE_SCHEMA


class Trace:
    """Collects rows of `TRACE_SCHEMA` for E epsilons at every `every`-th step, and at step 0."""

    def __init__(self, epsilons: Sequence[float | None], every: int) -> None:
        self.epsilons = epsilons
        self.every = every
        self._rows: list[tuple[int, int, Tensor]] = []

    def wants(self, step: int) -> bool:
        """Whether the step is one of those asked for."""
        return step % self.every == 0

    def record(
        self, restart: int, step: int, logits: Tensor, value: Tensor, zero: Tensor | None, labels: Tensor
    ) -> None:
        """Add a step's sums over all cells (epsilon-major); nothing is copied to the host yet."""
        if not self.wants(step):
            return
        correct = ~succeeded(logits, labels, None)
        wide = value.double()
        zeros = torch.zeros_like(wide) if zero is None else zero.double()
        ones = torch.ones_like(wide)
        sums = torch.stack([ones, correct.double(), wide, wide.square(), zeros])
        self._rows.append((restart, step, sums.unflatten(1, (len(self.epsilons), -1)).sum(2)))

    def columns(self) -> dict[str, list[Any]]:
        """The rows, by column."""
        columns: dict[str, list[Any]] = {name: [] for name in TRACE_SCHEMA}
        for restart, step, sums in self._rows:
            for epsilon, (count, correct, loss, square, zeros) in zip(self.epsilons, sums.T.tolist(), strict=True):
                row = (restart, step, epsilon, int(count), int(correct), loss, square, int(zeros))
                for name, value in zip(TRACE_SCHEMA, row, strict=True):
                    columns[name].append(value)
        return columns
