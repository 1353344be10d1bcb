"""Attacks whose schedule depends on the number of steps: a run for each number, all radii in one batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from brinell.attacks.components.best_so_far import BestSoFar
from brinell.attacks.components.epsilon_batch import EpsilonBatch
from brinell.attacks.harness.attack import COUNTS, Batch, Crafted
from brinell.core import Point

Run = Callable[[BestSoFar, EpsilonBatch, float, float], None]
"""Fills the readings of one number of steps over the cells; of `total` steps of progress, so many are done."""


def craft_for_each_step_count(batch: Batch, points: Sequence[Point], run: Run, *, queries: bool = False) -> Crafted:
    """Candidates at every point, in their order."""
    wanted = sorted({point.steps for point in points})
    done, found = 0, {}
    for steps in wanted:
        best = BestSoFar(batch.images, [point for point in points if point.steps == steps])
        run(best, EpsilonBatch.spread(batch, best.epsilons), done, sum(wanted))
        found.update({point: (best.crafted(queries=queries), row) for row, point in enumerate(best.points)})
        done += steps
    return joined([found[point] for point in points])


def joined(parts: Sequence[tuple[Crafted, int]]) -> Crafted:
    """Points out of several crafted ones, each by its row there."""
    columns: dict[str, torch.Tensor | None] = {}
    for name in ("images", *COUNTS):
        values = [(getattr(crafted, name), row) for crafted, row in parts]
        known = all(whole is not None for whole, _ in values)
        columns[name] = torch.stack([whole[row] for whole, row in values]) if known else None
    return Crafted(**columns)  # type: ignore[arg-type]
