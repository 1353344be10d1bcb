"""LocalSearch: a greedy walk over single pixels, through scores alone (Narodytska & Kasiviswanathan 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from brinell.attacks.components.best_so_far import BestSoFar
from brinell.attacks.components.epsilon_batch import EpsilonBatch
from brinell.attacks.components.projection import clip_to_ball
from brinell.attacks.harness.attack import Attack, Batch, Crafted
from brinell.attacks.harness.oracle import Oracle, Precision
from brinell.core import Fraction, Point
from brinell.nn import uniform

_AT_ONCE = 2048
"""Candidates in memory at a time: they come by the thousand."""


class LocalSearch(Attack):
    """Each round, saturate each pixel near the last changes in turn, and change those that hurt the most.

    A round (the paper's algorithm 3) scores the neighbourhood's pixels by the true class's probability after the pixel
    is pushed to `p * sign` of its own values (0.5 is zero, so that p of 0.5 or more saturates it), changes the
    `changes` best ones, and goes on to the squares of half-width `distance` round them. It starts from `initial_share`
    of all pixels at random; a changed pixel rests for `rest` rounds; a neighbourhood of more than `max_candidates` is
    thinned at random, and an empty one drawn anew.

    Without `epsilon` a change is the paper's cyclic one: the value times `r`, wrapped into the range. With it, as in
    BreakingBED (whose epsilon is the amplitude of a pixel's change), the pixel moves by +-epsilon from the clean image,
    in its own direction first, to the other side where that leaves the box or it is there already. The paper adapts p
    without saying how: here it halves where no candidate of a round lowers the probability, and returns to 1 where one
    does. Untargeted only.

    Examples:
        >>> import brinell
        >>> images, labels = brinell.data.build("digits", split="test", examples=4).tensors()
        >>> attack = brinell.attacks.LocalSearch(epsilon=16 / 255, steps=2)
        >>> brinell.attack(brinell.models.build("resnet8"), images, labels, attack).success.shape
        torch.Size([4])
    """

    kind = "local_search"
    revision: ClassVar[int] = 2
    needs: ClassVar[Literal["gradient", "scores"]] = "scores"
    sweepable: ClassVar[frozenset[str]] = frozenset({"epsilon", "steps"})
    paper_axis: ClassVar[tuple[Literal["epsilon", "steps"], float] | None] = ("steps", 16 / 255)
    skips_misclassified: ClassVar[bool] = True
    takes_targets: ClassVar[bool] = False

    epsilon: Fraction | None = Field(None, ge=0)
    """Change of a pixel in input units; `None`: the paper's cyclic perturbation by `r`."""
    steps: int = Field(150, ge=1)
    """Number of rounds."""
    r: float = Field(1.5, gt=0)
    """Factor of the cyclic perturbation, without `epsilon`."""
    changes: int = Field(5, ge=1)
    """Pixels that are changed in a round."""
    distance: int = Field(5, ge=1)
    """Half-width in pixels of the squares searched around the last changes."""
    initial_share: Fraction = Field(0.1, gt=0, le=1)
    """Share of all pixels that the first round scores, in (0, 1]."""
    max_candidates: int = Field(128, ge=1)
    """Largest number of pixels that are scored in a round."""
    rest: int = Field(30, ge=0)
    """Rounds for which a changed pixel is not changed again."""
    max_queries: int | None = Field(None, ge=1)
    """Largest number of forward passes for each example; `None`: no limit."""
    precision: Precision = "float32"
    """Precision of the scores; success is confirmed in float32 in any case."""

    @property
    def random(self) -> bool:
        """It is: the first pixels are."""
        return True

    @property
    def point(self) -> Point:
        """The amplitude, where there is one, and the number of rounds."""
        return Point(self.epsilon, self.steps)

    @property
    def passes(self) -> float:
        """Every candidate of every round, and a look."""
        return float(self.steps * (self.max_candidates + 1))

    def clip(self, candidates: Tensor, clean: Tensor, epsilon: float | None) -> Tensor:
        """Inside the ball, where there is one, and the box."""
        if epsilon is None:
            return candidates.clamp(0.0, 1.0)
        return clip_to_ball(candidates, clean, epsilon, "linf")

    def craft(
        self, oracle: Oracle, batch: Batch, points: Sequence[Point], *, seed: int, trace_every: int | None
    ) -> Crafted:
        """All epsilons in one batch, all numbers of rounds from one pass; who has fallen leaves the batch."""
        readings = BestSoFar(batch.images, points)
        search = _Search.begin(oracle, EpsilonBatch.spread(batch, readings.epsilons))
        readings.forwards += 1
        for step in range(1, readings.steps[-1] + 1):
            oracle.report_progress(step - 1, readings.steps[-1])
            candidates, valid = search.candidates(self, seed, step)
            queries = valid.sum(1).to(torch.int32) + 1
            if self.max_queries is not None:
                affordable = readings.forwards[-1, search.cells.index] + queries <= self.max_queries
                for later in [steps for steps in readings.steps if steps >= step]:
                    readings.keep(later, search.cells.index[~affordable], search.images[~affordable])
                search, candidates, valid = search.at(affordable), candidates[affordable], valid[affordable]
                queries = queries[affordable]
            index = search.cells.index
            if not len(index):
                break
            chosen, best = search.score(oracle, self, candidates, valid)
            search.change(self, chosen, step)
            readings.spend(step - 1, index, forwards=queries, backwards=0)
            broken = search.look(oracle, best)
            readings.keep(step, index, search.images)
            readings.succeed(step, index[broken], search.images[broken])
            stay = readings.wants(step, index).any(0)
            search = search.at(stay) if not bool(stay.all()) else search
        return readings.crafted(queries=True)


@dataclass
class _Search:
    """The images as changed so far, where to look next `(n, H * W)`, when each pixel was changed last, and p."""

    cells: EpsilonBatch
    images: Tensor
    near: Tensor
    changed: Tensor
    p: Tensor
    chance: Tensor

    @classmethod
    def begin(cls, oracle: Oracle, cells: EpsilonBatch) -> _Search:
        count, pixels = len(cells.index), cells.clean[0, 0].numel()
        device = cells.clean.device
        return cls(
            cells=cells,
            images=cells.clean,
            near=torch.zeros((count, pixels), dtype=torch.bool, device=device),
            changed=torch.full((count, pixels), -(10**6), device=device),
            p=torch.ones(count, device=device),
            chance=_chance(oracle.logits(cells.clean), cells.labels),
        )

    def at(self, chosen: Tensor) -> _Search:
        parts = (self.images, self.near, self.changed, self.p, self.chance)
        return _Search(self.cells.at(chosen), *(part[chosen] for part in parts))

    def score(self, oracle: Oracle, attack: LocalSearch, candidates: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """Of the `candidates` that are `valid`, `(n, K)`: the pixels to change `(n, t)`, and the lowest probability."""
        rows, places = valid.nonzero(as_tuple=True)
        pixels = candidates[rows, places]
        scores = torch.full(candidates.shape, torch.inf, device=self.p.device)
        for part in torch.arange(len(rows), device=rows.device).split(_AT_ONCE):
            images = self._saturated(rows[part], pixels[part])
            logits = oracle.logits(images)
            scores[rows[part], places[part]] = _chance(logits, self.cells.labels[rows[part]])
        lowest = scores.topk(min(attack.changes, scores.shape[1]), dim=1, largest=False, sorted=True)
        chosen = torch.where(lowest.values < torch.inf, candidates.gather(1, lowest.indices), -1)
        return chosen, scores.amin(1)

    def candidates(self, attack: LocalSearch, seed: int, step: int) -> tuple[Tensor, Tensor]:
        """At most `max_candidates` pixels an image `(n, K)`, and which of the K are real."""
        rested = step - self.changed > attack.rest
        noise = uniform(seed, "pixels", self.cells.ids, (self.near.shape[1],), step)
        near = self.near & rested
        anew = (noise < attack.initial_share) & rested
        near = torch.where(near.any(1, keepdim=True), near, anew)
        order = torch.where(near, noise, torch.inf).topk(
            min(attack.max_candidates, near.shape[1]), dim=1, largest=False, sorted=True
        )
        return order.indices, order.values < torch.inf

    def _saturated(self, rows: Tensor, pixels: Tensor) -> Tensor:
        """Copies of the images, each with one pixel pushed in the direction of its own values."""
        images = self.images[rows].flatten(2)
        at = torch.arange(len(rows), device=rows.device)
        direction = torch.where(images[at, :, pixels] >= 0.5, 1.0, -1.0)
        images[at, :, pixels] = (0.5 + self.p[rows, None] * direction).clamp(0, 1)
        return images.view(-1, *self.images.shape[1:])

    def change(self, attack: LocalSearch, chosen: Tensor, step: int) -> None:
        """Change the chosen pixels (-1: none) and look round them next."""
        rows, places = (chosen >= 0).nonzero(as_tuple=True)
        pixels = chosen[rows, places]
        images = self.images.flatten(2).clone()
        clean = self.cells.clean.flatten(2)
        before = images[rows, :, pixels]
        if attack.epsilon is None:
            images[rows, :, pixels] = _cyclic(before, attack.r)
        else:
            images[rows, :, pixels] = _sidestep(before, clean[rows, :, pixels], self.cells.radius[rows, None])
        self.images = images.view_as(self.images)
        self.changed[rows, pixels] = step
        spots = torch.zeros_like(self.near)
        spots[rows, pixels] = True
        square = spots.view(-1, 1, *self.images.shape[2:]).float()
        width = 2 * attack.distance + 1
        self.near = F.max_pool2d(square, width, stride=1, padding=attack.distance).flatten(1) > 0

    def look(self, oracle: Oracle, best: Tensor) -> Tensor:
        """Which images are misclassified now; and adapt p to whether the round's best candidate was any good."""
        logits = oracle.logits(self.images)
        self.p = torch.where(best < self.chance, 1.0, self.p / 2)
        self.chance = _chance(logits, self.cells.labels)
        return oracle.confirmed(self.images, logits, self.cells.labels, None)


def _chance(logits: Tensor, labels: Tensor) -> Tensor:
    """Log-probability of the label, `(n,)`."""
    return logits.log_softmax(1).gather(1, labels[:, None])[:, 0]


def _cyclic(values: Tensor, r: float) -> Tensor:
    """`r` times the value, about 0.5, wrapped into the range (the paper's procedure Cyclic)."""
    scaled = (values - 0.5) * r
    return torch.where(scaled.abs() <= 0.5, scaled, scaled - scaled.sign()).clamp(-0.5, 0.5) + 0.5


def _sidestep(values: Tensor, clean: Tensor, epsilon: Tensor) -> Tensor:
    """`clean` +- epsilon: in the value's own direction, or to the other side if that is outside or where it is."""
    own = torch.where(clean >= 0.5, epsilon, -epsilon)
    there = clean + own
    other = (there < 0) | (there > 1) | ((values - clean) * own > 0)
    return torch.where(other, clean - own, there).clamp(0, 1)
