"""Square: random squares at the ball's edge, through scores alone (Andriushchenko et al. 2020)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Literal

import torch
from pydantic import Field
from torch import Tensor

from brinell.attacks.components.best_so_far import BestSoFar
from brinell.attacks.components.epsilon_batch import EpsilonBatch
from brinell.attacks.components.projection import clip_to_ball
from brinell.attacks.components.run_per_step_count import craft_for_each_step_count
from brinell.attacks.components.square_moves import MOVES, SearchState, side_of
from brinell.attacks.components.sub_run import SubRun
from brinell.attacks.components.take_rows import take_rows
from brinell.attacks.components.undecided import Undecided
from brinell.attacks.harness.attack import Attack, Batch, Crafted
from brinell.attacks.harness.losses import check_classes, margin_loss
from brinell.attacks.harness.oracle import Oracle, Precision
from brinell.core import Fraction, Point
from brinell.nn import Norm, uniform


class Square(Attack):
    """Change a random square of the image, as far as the ball allows, and keep it where the margin shrinks.

    Algorithms 1 to 3 of the paper, with the margin as the loss. For `linf` it starts from vertical stripes of
    +-epsilon, and a square sets each channel to +epsilon or -epsilon; for `l2` it starts from a grid of bumps, and a
    square gives the perturbation of one window to another. `initial_share` of the pixels lie in the first square; the
    share is halved after 0.1, 0.5, 2, 5, 10, 20, 40, 60 and 80 % of `schedule` queries, by default of `steps`.
    AutoAttack's code keeps the schedule of 10,000 queries whatever their number. `steps` is the number of queries, the
    first image included; each number is a run of its own. Every image has squares of its own, as in the paper;
    AutoAttack's code shares them in a batch. It stops where the image is broken.

    Examples:
        >>> import brinell
        >>> images, labels = brinell.data.build("digits", split="test", examples=4).tensors()
        >>> attack = brinell.attacks.Square(epsilon=4 / 255, steps=5)
        >>> brinell.attack(brinell.models.build("resnet8"), images, labels, attack).success.shape
        torch.Size([4])
    """

    kind = "square"
    needs: ClassVar[Literal["gradient", "scores"]] = "scores"
    sweepable: ClassVar[frozenset[str]] = frozenset({"epsilon", "steps"})
    skips_misclassified: ClassVar[bool] = True
    shrinks: ClassVar[bool] = True

    epsilon: Fraction = Field(ge=0)
    """Radius of the ball in input units; images are in [0, 1]."""
    steps: int = Field(5000, ge=1)
    """Number of queries, the first image included."""
    norm: Norm = "linf"
    """Norm of the ball: `linf` or `l2`."""
    initial_share: Fraction = Field(0.8, gt=0, le=1)
    """Share of the pixels in the first square."""
    schedule: int | None = Field(None, ge=1)
    """Number of queries over which the squares shrink; `None`: `steps`."""
    restarts: int = Field(1, ge=1)
    """Number of runs for each example."""
    precision: Precision = "float32"
    """Precision of gradients and scores; success is confirmed in float32 in any case."""

    @property
    def random(self) -> bool:
        """It is."""
        return True

    @property
    def point(self) -> Point:
        """The radius and the number of queries."""
        return Point(self.epsilon, self.steps)

    def clip(self, candidates: Tensor, clean: Tensor, epsilon: float | None) -> Tensor:
        """Inside the ball and the box."""
        return clip_to_ball(candidates, clean, epsilon, self.norm)

    def craft(
        self, oracle: Oracle, batch: Batch, points: Sequence[Point], *, seed: int, trace_every: int | None
    ) -> Crafted:
        """All epsilons in one batch; a run for each number of queries."""

        def run(best: BestSoFar, cells: EpsilonBatch, done: float, total: float) -> None:
            steps = best.steps[-1]
            for number in range(self.restarts):
                undecided = Undecided(oracle, cells, best, restart=number)
                part = SubRun(seed, number, done + number * steps / self.restarts, steps / self.restarts, total)
                search = SearchSettings(part, self.norm, steps, self.schedule or steps, self.initial_share)
                reached = search_squares(undecided, search)
                if number == 0:
                    undecided.keep(reached)

        return craft_for_each_step_count(batch, points, run, queries=True)


@dataclass(frozen=True)
class SearchSettings:
    """Settings of one run."""

    part: SubRun
    norm: Norm
    queries: int
    schedule: int
    initial_share: float = 0.8


_DRAWN: Final = 64
"""Queries whose random numbers are drawn at a time: each draw takes a dozen small operations."""


def search_squares(undecided: Undecided, search: SearchSettings) -> Tensor:
    """One run on the cells that are undecided; returns the images of those that stay so."""
    if not len(undecided):
        return undecided.cells.clean
    oracle, (begin, move) = undecided.oracle, MOVES[search.norm]
    canvas, noise = SearchState.of(undecided.cells), _Noise(search, undecided.cells)
    best = torch.full_like(canvas.radius, -torch.inf)
    for query in range(search.queries):
        cells = undecided.cells
        if not len(undecided):
            break
        search.part.report(oracle, query / search.queries)
        if query:
            side = side_of(canvas.size, search.initial_share, query / search.schedule)
            tried = move(canvas, side, noise.at(query, cells))
        else:
            tried = begin(canvas, cells.ids, search.part.seed, search.part.number)
        before = tried.swap(canvas.images)
        logits = oracle.logits(canvas.view)
        undecided.spend()
        check_classes("margin", logits.shape[1], cells.targets is not None)
        gap = margin_loss(logits, cells.labels, cells.targets)
        better = gap > best
        undecided.see(query + 1, canvas.view, logits)
        tried.where(better, before).swap(canvas.images)
        best = torch.where(better, gap, best)
        stay = undecided.settle(query, last=query == search.queries - 1)
        if stay is not None:
            canvas, best, noise.drawn = take_rows(canvas, stay), best[stay], noise.drawn[stay]
    return canvas.view


class _Noise:
    """Each query's random numbers for each cell, drawn for many queries at a time."""

    def __init__(self, search: SearchSettings, cells: EpsilonBatch) -> None:
        self.part = search.part
        self.block = -1
        self.drawn = cells.radius[:, None, None]

    def at(self, query: int, cells: EpsilonBatch) -> Tensor:
        """`(n, 5 + C)` numbers in [0, 1)."""
        block, place = divmod(query, _DRAWN)
        if block != self.block:
            self.block = block
            shape = (_DRAWN, 5 + cells.clean.shape[1])
            self.drawn = uniform(self.part.seed, "square move", cells.ids, shape, self.part.number, block)
        return self.drawn[:, place]
