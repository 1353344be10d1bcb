"""Carlini & Wagner's L2 attack: the smallest perturbation that Adam finds (Carlini & Wagner 2017)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Annotated, ClassVar, NamedTuple

import torch
from pydantic import Field
from torch import Tensor

from brinell.attacks.components.nearest_so_far import NearestSoFar, clears, crafted_nearest
from brinell.attacks.harness.attack import Attack, Batch, Crafted
from brinell.attacks.harness.losses import check_classes, margin_loss
from brinell.attacks.harness.oracle import Oracle
from brinell.core import OmitDefaultFromKey, Point
from brinell.nn import Norm

_EDGE = 0.999999
"""Shrinks [-1, 1] before atanh, as the authors' code does: at exactly 0 or 1 the variable would be infinite."""
_SLACK = 1e-4
"""Share of the largest logit that the loss wants a success to clear: twice what `clears` asks."""


class CarliniWagner(Attack):
    """Minimise `||delta||_2^2 + c * max(confidence - margin, 0)` over `x' = (tanh(w) + 1) / 2` with Adam.

    `margin` is the best other logit less the label's; targeted, the target's less the best other one (f6 of the paper).
    `steps` Adam iterations for each of `binary_search_steps` values of c, from `initial_const`: times ten until the
    first success, then bisection (section VI-D); with one search, c is fixed, as in BreakingBED. `abort_early` ends a
    search of an example that has succeeded at this c where its loss stops falling, checked ten times a search. The
    authors' code ends the search of a whole batch, whether or not anything has succeeded; on binary networks the loss
    stands still for many iterations before the first success. The nearest success over all iterations is kept; without
    one, the clean image.

    Examples:
        >>> import brinell
        >>> images, labels = brinell.data.build("digits", split="test", examples=4).tensors()
        >>> attack = brinell.attacks.CarliniWagner(steps=5, binary_search_steps=1)
        >>> brinell.attack(brinell.models.build("resnet8"), images, labels, attack).success.shape
        torch.Size([4])
    """

    kind = "carlini_wagner"
    revision: ClassVar[int] = 2
    sweepable: ClassVar[frozenset[str]] = frozenset({"steps"})
    skips_misclassified: ClassVar[bool] = True

    steps: int = Field(200, ge=1)
    """Iterations of Adam for each value of c."""
    binary_search_steps: int = Field(9, ge=1)
    """Number of values of c that are tried for each example; 1 keeps `initial_const`."""
    initial_const: float = Field(1e-3, gt=0)
    """First value of c, the weight of misclassification against distance."""
    learning_rate: float = Field(0.01, gt=0)
    """Step size of Adam."""
    confidence: float = Field(0.0, ge=0)
    """Margin between logits that counts as success inside the loss, in logits."""
    abort_early: bool = True
    """End the iterations of an example that has succeeded once its loss stops falling."""
    samples: Annotated[int, OmitDefaultFromKey()] = Field(1, ge=1)
    """Passes that each gradient and each look at the logits is the mean of, for networks that draw random numbers."""

    @property
    def point(self) -> Point:
        """No radius; the number of iterations."""
        return Point(None, self.steps)

    @property
    def distance_norm(self) -> Norm:
        """The L2 norm."""
        return "l2"

    @property
    def passes(self) -> float:
        """Every iteration of every search."""
        return 3.0 * self.steps * self.binary_search_steps * self.samples

    def clip(self, candidates: Tensor, clean: Tensor, epsilon: float | None) -> Tensor:
        """Inside the box."""
        return candidates.clamp(0.0, 1.0)

    def craft(
        self, oracle: Oracle, batch: Batch, points: Sequence[Point], *, seed: int, trace_every: int | None
    ) -> Crafted:
        """With one search all numbers of steps from one pass; with several, c depends on them: a run each."""
        if self.binary_search_steps == 1:
            bests = _search(oracle, batch, self, sorted({point.steps for point in points}))
        else:
            wanted = sorted({point.steps for point in points})
            done = accumulate(wanted, initial=0)
            bests = {
                steps: _bisect(oracle, batch, self, steps, before, sum(wanted))
                for steps, before in zip(wanted, done, strict=False)
            }
        return crafted_nearest([bests[point.steps] for point in points])


def _bisect(oracle: Oracle, batch: Batch, attack: CarliniWagner, steps: int, before: int, whole: int) -> NearestSoFar:
    """Section VI-D: raise c tenfold until the first success, then halve the interval; each example its own c.

    Of `whole` iterations, one search's, so many were done `before`.
    """
    best = NearestSoFar.none(batch)
    low = torch.zeros(len(batch.images), device=batch.images.device)
    high = torch.full_like(low, torch.inf)
    const = torch.full_like(low, attack.initial_const)
    everyone = torch.arange(len(low), device=low.device)
    for search in range(attack.binary_search_steps):
        oracle.report_progress(before + steps * search / attack.binary_search_steps, whole)
        found = _search(oracle, batch, attack, [steps], const)[steps]
        success = found.distance < torch.inf
        best.improve(everyone, found.distance, found.images, found.first + best.forwards)
        best.spend(forwards=found.forwards, backwards=found.backwards)
        high = torch.where(success, torch.minimum(high, const), high)
        low = torch.where(success, low, torch.maximum(low, const))
        const = torch.where(high < torch.inf, (low + high) / 2, const * 10)
    return best


def _search(
    oracle: Oracle, batch: Batch, attack: CarliniWagner, steps: list[int], const: Tensor | None = None
) -> dict[int, NearestSoFar]:
    """One descent with c fixed, read at several numbers of iterations; each reading aborts as it would alone."""
    alone = const is None
    if const is None:
        const = torch.full((len(batch.images),), attack.initial_const, device=batch.images.device)
    readings = {limit: _Reading(limit, NearestSoFar.none(batch), torch.full_like(const, torch.inf)) for limit in steps}
    run = _Descent.begin(batch, const)
    for step in range(1, steps[-1] + 1):
        if alone:
            oracle.report_progress(step - 1, steps[-1])
        moved = run.advance(oracle, attack, step)
        checks = [reading.see(run.index, moved, step, abort=attack.abort_early) for reading in readings.values()]
        if any(checks):
            open_still = torch.stack([reading.open(run.index, step) for reading in readings.values()]).any(0)
            run = run.at(open_still.nonzero()[:, 0])
            if not len(run.index):
                break
    return {limit: reading.best.confirmed(oracle, batch) for limit, reading in readings.items()}


class _Moved(NamedTuple):
    """The iterate before a step: images, squared distance where it succeeded (else infinity), and loss, `(n, ...)`."""

    images: Tensor
    square: Tensor
    loss: Tensor


@dataclass
class _Reading:
    """The descent as one that ends after `limit` iterations sees it: its best, and who has been aborted."""

    limit: int
    best: NearestSoFar
    previous: Tensor
    """The loss at the last check `(N,)`; minus infinity for an example that has been aborted."""

    def see(self, index: Tensor, moved: _Moved, step: int, *, abort: bool) -> bool:
        """Take in one iterate of the examples `index`; whether anybody may have ended with it."""
        if step > self.limit:
            return False
        going = self.open(index, step - 1)
        self.best.spend(index, forwards=going, backwards=going)
        self.best.improve(index, torch.where(going, moved.square, torch.inf), moved.images, step - 1)
        if not abort or step % max(1, self.limit // 10):
            return step == self.limit
        falling = (moved.loss < 0.9999 * self.previous[index]) | (self.best.distance[index] == torch.inf)
        self.previous[index] = torch.where(going & falling, moved.loss, -torch.inf)
        return True

    def open(self, index: Tensor, step: int) -> Tensor:
        """Which of the examples go on after iterate `step`."""
        return (self.previous[index] > -torch.inf) & (step < self.limit)


@dataclass
class _Descent:
    """Examples still descending: Adam's state (Kingma & Ba 2015, algorithm 1) beside what it works on."""

    index: Tensor
    clean: Tensor
    labels: Tensor
    targets: Tensor | None
    const: Tensor
    variable: Tensor
    first_moment: Tensor
    second_moment: Tensor

    @classmethod
    def begin(cls, batch: Batch, const: Tensor) -> _Descent:
        index = torch.arange(len(const), device=const.device)
        start = torch.atanh((batch.images * 2 - 1) * _EDGE)
        nothing = torch.zeros_like(start)
        return cls(index, batch.images, batch.labels, batch.targets, const, start, nothing, nothing.clone())

    def at(self, chosen: Tensor) -> _Descent:
        targets = None if self.targets is None else self.targets[chosen]
        return _Descent(
            self.index[chosen],
            self.clean[chosen],
            self.labels[chosen],
            targets,
            self.const[chosen],
            self.variable[chosen],
            self.first_moment[chosen],
            self.second_moment[chosen],
        )

    def advance(self, oracle: Oracle, attack: CarliniWagner, step: int) -> _Moved:
        """Look at the current images and take one step of Adam."""
        squashed = torch.tanh(self.variable)
        images = (squashed + 1) / 2
        logits, hinge, gradient = oracle.gradient(images, self._hinge(attack.confidence), idle_at_zero=True)
        delta = images - self.clean
        square = delta.flatten(1).square().sum(1)
        slope = (gradient + 2 * delta) * (1 - squashed.square()) / 2
        self._adam(slope, step, attack.learning_rate)
        success = clears(logits, self.labels, self.targets, attack.confidence)
        return _Moved(images, torch.where(success, square, torch.inf), square + hinge)

    def _hinge(self, confidence: float) -> Callable[[Tensor], Tensor]:
        def objective(logits: Tensor) -> Tensor:
            check_classes("margin", logits.shape[1], self.targets is not None)
            wanted = confidence + _SLACK * logits.detach().abs().amax(1)
            return self.const * (wanted - margin_loss(logits, self.labels, self.targets)).clamp_min(0)

        return objective

    def _adam(self, slope: Tensor, step: int, learning_rate: float) -> None:
        self.first_moment = 0.9 * self.first_moment + 0.1 * slope
        self.second_moment = 0.999 * self.second_moment + 0.001 * slope.square()
        scale = learning_rate / (1 - 0.9**step)
        root = (self.second_moment / (1 - 0.999**step)).sqrt_().add_(1e-8)
        self.variable = self.variable - scale * self.first_moment / root
