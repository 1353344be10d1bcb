"""The ascent of APGD: steps in the ball with momentum, halved where progress stalls, for many radii at once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from brinell.attacks.components.epsilon_batch import EpsilonBatch
from brinell.attacks.components.sub_run import SubRun
from brinell.attacks.components.take_rows import take_rows
from brinell.attacks.components.undecided import Undecided
from brinell.attacks.harness.attack import broadcast_per_image
from brinell.attacks.harness.losses import LOSSES, Loss, check_classes
from brinell.nn import BallNorm, distance, gaussian, project, steepest, uniform

_MOMENTUM = 0.75
_RISING = 0.75
"""Share of the steps between two checkpoints in which the loss must rise for the step size to stay (rho)."""


@dataclass(frozen=True)
class AscentSettings:
    """Settings of one run; the ball is `widening` times each epsilon."""

    part: SubRun
    norm: BallNorm
    loss: Loss
    steps: int
    widening: float = 1.0


def auto_projected_gradient(
    undecided: Undecided, settings: AscentSettings, towards: Tensor | None = None, start: Tensor | None = None
) -> Tensor:
    """One run on the cells that are undecided; returns the iterates of the highest loss of those that stay so.

    `towards` holds a class to go to for every cell, by its index; success is any misclassification all the same.
    Without a `start` it begins at random on the surface of the ball. In a wider ball nothing that is found counts.
    """
    if not len(undecided):
        return undecided.cells.clean
    state = _State.begin(undecided, settings, towards, start)
    counts = settings.widening == 1
    length, least, shrink = _checkpoints(settings)
    check = length
    for step in range(settings.steps + 1):
        if not len(undecided):
            break
        settings.part.report(undecided.oracle, step / (settings.steps + 1))
        if step:
            state.move(undecided.cells, settings, first=step == 1)
        logits = state.look(undecided, settings, last=step == settings.steps)
        if counts:
            undecided.see(step, state.images, logits)
            stay = undecided.settle(step, last=step == settings.steps)
            state = state if stay is None else take_rows(state, stay)
        if step == check:
            state.judge_progress(undecided.cells, settings, length)
            length = max(length - shrink, least)
            check += length
    return state.best_images


def _checkpoints(settings: AscentSettings) -> tuple[int, int, int]:
    """Steps to the first checkpoint, at least so many between two, and by how much that number falls each time."""
    steps = settings.steps
    if settings.norm == "l1":
        every = max(int(0.04 * steps), 1)
        return every, every, 0
    return max(int(0.22 * steps), 1), max(int(0.06 * steps), 1), max(int(0.03 * steps), 1)


@dataclass
class _State:
    """What a run knows of each cell, `(n, ...)`: iterates, losses, and how its progress is."""

    images: Tensor
    previous: Tensor
    gradient: Tensor
    best_images: Tensor
    best_gradient: Tensor
    best_loss: Tensor
    loss: Tensor
    size: Tensor
    rises: Tensor
    """Steps since the last checkpoint in which the loss rose."""
    reduced: Tensor
    """Whether the last checkpoint halved the step size."""
    best_before: Tensor
    """The best loss at the last checkpoint."""
    changed: Tensor
    """Values that the best iterate had changed at the last checkpoint (l1)."""
    sparsity: Tensor
    """Values that a step changes (l1)."""
    towards: Tensor | None

    @classmethod
    def begin(
        cls, undecided: Undecided, settings: AscentSettings, towards: Tensor | None, start: Tensor | None
    ) -> _State:
        cells = undecided.cells
        images = _random_start(cells, settings) if start is None else start
        values = torch.full_like(cells.radius, cells.clean[0].numel())
        changed = values if start is None else distance(cells.clean, start, "l0").clamp_min(1)
        low = torch.full_like(cells.radius, -torch.inf)
        return cls(
            images=images,
            previous=images,
            gradient=torch.zeros_like(images),
            best_images=images,
            best_gradient=torch.zeros_like(images),
            best_loss=low,
            loss=low,
            size=cells.radius * settings.widening * (1 if settings.norm == "l1" else 2),
            rises=torch.zeros_like(cells.radius),
            reduced=torch.ones_like(cells.radius, dtype=torch.bool),
            best_before=low,
            changed=changed,
            sparsity=0.2 * values if start is None else changed / 1.5,
            towards=None if towards is None else towards[cells.index],
        )

    def look(self, undecided: Undecided, settings: AscentSettings, *, last: bool) -> Tensor:
        """The logits of the current iterates, with their loss and, but for the last, gradient."""
        oracle, cells = undecided.oracle, undecided.cells
        aim = cells.targets if self.towards is None else self.towards

        def objective(logits: Tensor, labels: Tensor, aim: Tensor | None) -> Tensor:
            check_classes(settings.loss, logits.shape[1], aim is not None)
            return LOSSES[settings.loss](logits, labels, aim)

        if last:
            logits = oracle.logits(self.images)
            value = objective(logits, cells.labels, aim)
            undecided.spend()
        else:
            logits, value, self.gradient = oracle.gradient(self.images, objective, cells.labels, aim)
            undecided.spend(backwards=1, zero=(self.gradient == 0).flatten(1).all(1))
        self._note(value)
        return logits

    def _note(self, value: Tensor) -> None:
        first = self.loss == -torch.inf
        self.rises = self.rises + ((value > self.loss) & ~first)
        self.best_before = torch.where(first, value, self.best_before)
        better = value > self.best_loss
        where = better[:, None, None, None]
        self.best_images = torch.where(where, self.images, self.best_images)
        self.best_gradient = torch.where(where, self.gradient, self.best_gradient)
        self.best_loss = torch.where(better, value, self.best_loss)
        self.loss = value

    def move(self, cells: EpsilonBatch, settings: AscentSettings, *, first: bool) -> None:
        """One step (equations 2 and 3 of Croce & Hein 2020), without momentum in the first."""
        radius, clean, norm = cells.radius * settings.widening, cells.clean, settings.norm
        size = broadcast_per_image(self.size, self.images)
        if norm == "l1":
            moved = project(self.images + size * _sparse(self.gradient, self.sparsity), clean, radius, norm)
        else:
            moved = project(self.images + size * steepest(self.gradient, norm), clean, radius, norm)
            if not first:
                pull = (1 - _MOMENTUM) * (self.images - self.previous)
                moved = project(self.images + _MOMENTUM * (moved - self.images) + pull, clean, radius, norm)
        self.previous, self.images = self.images, moved

    def judge_progress(self, cells: EpsilonBatch, settings: AscentSettings, length: int) -> None:
        """At a checkpoint, `length` steps after the last: change step sizes, and go back to the best iterate."""
        if settings.norm == "l1":
            back = self._judge_sparsity(cells, settings)
        else:
            stalled = ~self.reduced & (self.best_before >= self.best_loss)
            back = self.reduced = (self.rises <= _RISING * length) | stalled
            self.size = torch.where(back, self.size / 2, self.size)
        self.best_before, self.rises = self.best_loss, torch.zeros_like(self.rises)
        where = back[:, None, None, None]
        self.images = torch.where(where, self.best_images, self.images)
        self.gradient = torch.where(where, self.best_gradient, self.gradient)

    def _judge_sparsity(self, cells: EpsilonBatch, settings: AscentSettings) -> Tensor:
        """Croce & Hein 2021, section 4.2: whether the best iterate has become sparser, `(n,)`."""
        largest = cells.radius * settings.widening
        now = distance(cells.clean, self.best_images, "l0")
        sparser = now / self.changed.clamp_min(1) < 0.95
        self.size = torch.where(sparser, largest, self.size / 1.5).clamp(largest / 10, largest)
        self.changed, self.sparsity = now, now / 1.5
        return sparser


def _sparse(gradient: Tensor, count: Tensor) -> Tensor:
    """Along the signs of the `count` largest values of each gradient, with an l1 norm of 1."""
    size = gradient.flatten(1).abs()
    ordered = size.sort(dim=1, descending=True).values
    place = count.long().clamp(1, size.shape[1]) - 1
    least = ordered.gather(1, place[:, None])
    signs = torch.where(size >= least, gradient.flatten(1), 0.0).sign()
    return (signs / signs.abs().sum(1, keepdim=True).clamp_min(1)).view_as(gradient)


def _random_start(cells: EpsilonBatch, settings: AscentSettings) -> Tensor:
    """A point of the ball: linf's largest value is epsilon, and l2's length, before the box."""
    shape, clean = tuple(cells.clean.shape[1:]), cells.clean
    radius = cells.radius * settings.widening
    if settings.norm == "linf":
        noise = uniform(settings.part.seed, "apgd start", cells.ids, shape, settings.part.number) * 2 - 1
    else:
        noise = gaussian(settings.part.seed, "apgd start", cells.ids, shape, settings.part.number)
    if settings.norm == "l1":
        return project(clean + noise, clean, radius, "l1")
    largest = broadcast_per_image(distance(torch.zeros_like(noise), noise, settings.norm).clamp_min(1e-12), clean)
    return (clean + broadcast_per_image(radius, clean) * noise / largest).clamp_(0.0, 1.0)
