"""The walk that BIM and PGD share: gradient steps inside a ball, for many radii and numbers of steps at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from brinell.attacks.attack import Batch, Crafted, column
from brinell.attacks.losses import LOSSES, Loss, check_classes, succeeded
from brinell.attacks.oracle import Oracle
from brinell.attacks.steps import random_start
from brinell.attacks.trace import Trace
from brinell.core import Point
from brinell.nn import Norm, project, steepest


@dataclass(frozen=True)
class Walk:
    """Settings of a walk; `step_size` `None` is a quarter of each epsilon."""

    norm: Norm
    step_size: float | None
    restarts: int
    random_start: bool
    loss: Loss
    seed: int
    trace_every: int | None


def walk(oracle: Oracle, batch: Batch, points: Sequence[Point], settings: Walk) -> Crafted:
    """Candidates at every point: the first iterate that succeeded, else the last one of the first start."""
    epsilons = list(dict.fromkeys(point.epsilon or 0.0 for point in points))
    cells = _Cells.spread(batch, epsilons)
    readings = _Readings(cells, sorted({point.steps for point in points}), len(epsilons))
    trace = Trace(epsilons, settings.trace_every) if settings.trace_every is not None else None
    for restart in range(settings.restarts):
        _ascend(oracle, cells, readings, settings, restart, trace)
    return readings.crafted(points, epsilons, trace)


@dataclass(frozen=True)
class _Cells:
    """Every image at every epsilon, epsilon-major, as one batch of M = E * N."""

    batch: Batch
    radius: Tensor

    @classmethod
    def spread(cls, batch: Batch, epsilons: list[float]) -> _Cells:
        count = len(epsilons)
        images = batch.images.repeat(count, 1, 1, 1)
        targets = None if batch.targets is None else batch.targets.repeat(count)
        radius = torch.tensor(epsilons, dtype=images.dtype, device=images.device).repeat_interleave(len(batch.images))
        return cls(Batch(images, batch.labels.repeat(count), targets, batch.ids.repeat(count)), radius)

    def at(self, index: Tensor) -> tuple[Tensor, Tensor, Tensor | None, Tensor]:
        """Clean images, labels, targets and radii of some cells."""
        images, labels, targets, _ = self.batch
        return images[index], labels[index], None if targets is None else targets[index], self.radius[index]


class _Readings:
    """What K numbers of steps have seen so far of M cells. What is broken at one is broken at every later one."""

    def __init__(self, cells: _Cells, steps: list[int], epsilons: int) -> None:
        shape, device = (len(steps), len(cells.radius)), cells.radius.device
        self.steps = steps
        self.limits = torch.tensor(steps, device=device)[:, None]
        self.epsilons = epsilons
        self.images = cells.batch.images.expand(len(steps), *cells.batch.images.shape).clone()
        self.broken = torch.zeros(shape, dtype=torch.bool, device=device)
        self.first = torch.full(shape, -1, dtype=torch.int32, device=device)
        self.restart = torch.zeros(shape, dtype=torch.int32, device=device)
        self.gradients = torch.zeros(shape, dtype=torch.int32, device=device)
        self.extra_forwards = torch.zeros(shape, dtype=torch.int32, device=device)
        self.zeros = torch.zeros(shape, dtype=torch.int32, device=device)

    def wants(self, step: int, index: Tensor) -> Tensor:
        """`(K, len(index))`: readings that still need the gradient at iterate `step`."""
        return ~self.broken[:, index] & (self.limits > step)

    def spend(self, step: int, index: Tensor, zero: Tensor) -> None:
        """Count a forward and a backward pass, and the gradients that were zero throughout."""
        wanted = self.wants(step, index)
        self.gradients[:, index] += wanted
        self.zeros[:, index] += wanted & zero

    def succeed(self, step: int, restart: int, index: Tensor, images: Tensor) -> None:
        """Keep iterate `step` of the cells `index` for every reading that allows so many steps and had none."""
        new = ~self.broken[:, index] & (self.limits >= step)
        for row, chosen in enumerate(new):
            at = index[chosen]
            self.images[row, at] = images[chosen]
            self.first[row, at] = step
            self.restart[row, at] = restart
            self.broken[row, at] = True

    def keep(self, step: int, index: Tensor, images: Tensor) -> None:
        """Keep iterate `step` where it is the last one that a reading allows and nothing better is known."""
        if step in self.steps:
            row = self.steps.index(step)
            unbroken = ~self.broken[row, index]
            self.images[row, index[unbroken]] = images[unbroken]

    def crafted(self, points: Sequence[Point], epsilons: list[float], trace: Trace | None) -> Crafted:
        """The points' own readings, in their order."""
        count = len(self.broken[0]) // self.epsilons

        def pick(values: Tensor) -> Tensor:
            cube = values.unflatten(1, (self.epsilons, count))
            chosen = [cube[self.steps.index(point.steps), epsilons.index(point.epsilon or 0.0)] for point in points]
            return torch.stack(chosen)

        return Crafted(
            images=pick(self.images),
            first_success_step=pick(self.first),
            restart=pick(self.restart),
            forwards=pick(self.gradients + self.extra_forwards),
            backwards=pick(self.gradients),
            zero_gradients=pick(self.zeros),
            traces=None if trace is None else trace.columns(),
        )


def _ascend(
    oracle: Oracle, cells: _Cells, readings: _Readings, settings: Walk, restart: int, trace: Trace | None
) -> None:
    """One walk from one start. Broken cells leave the batch, unless a trace wants to see all of them to the end."""
    last = readings.steps[-1]
    everyone = torch.arange(len(cells.radius), device=cells.radius.device)
    index = everyone if trace is not None else everyone[~readings.broken.all(0)]
    clean, labels, targets, radius = cells.at(index)
    images = clean
    if settings.random_start:
        ids = cells.batch.ids[index]
        images = random_start(clean, radius, ids, settings.norm, seed=settings.seed, restart=restart)
    for step in range(last):
        if not len(index):
            return
        logits, value, gradient = oracle.gradient(images, _objective(settings.loss, labels, targets))
        zero = (gradient.flatten(1) == 0).all(1)
        readings.spend(step, index, zero)
        broken = _confirmed(oracle, images, logits, labels, targets, readings.wants(step, index).any(0))
        readings.succeed(step, restart, index[broken], images[broken])
        if trace is not None:
            trace.record(restart, step, logits, value, zero, labels)
        elif bool(broken.any()):
            stay = readings.wants(step, index).any(0)
            index, images, gradient = index[stay], images[stay], gradient[stay]
            clean, labels, targets, radius = cells.at(index)
        images = _step(images, gradient, clean, radius, settings)
        if restart == 0:
            readings.keep(step + 1, index, images)
    _look_at_the_end(oracle, readings, settings, restart, trace, index, images, labels, targets)


def _step(images: Tensor, gradient: Tensor, clean: Tensor, radius: Tensor, settings: Walk) -> Tensor:
    size = column(radius / 4 if settings.step_size is None else torch.full_like(radius, settings.step_size), images)
    return project(images + size * steepest(gradient, settings.norm), clean, radius, settings.norm)


def _look_at_the_end(
    oracle: Oracle,
    readings: _Readings,
    settings: Walk,
    restart: int,
    trace: Trace | None,
    index: Tensor,
    images: Tensor,
    labels: Tensor,
    targets: Tensor | None,
) -> None:
    """See whether the last iterate succeeded, where something depends on it: another start, or a trace."""
    if not len(index) or (trace is None and settings.restarts == 1):
        return
    last = readings.steps[-1]
    logits = oracle.logits(images)
    unbroken = ~readings.broken[-1, index]
    readings.extra_forwards[-1, index] += unbroken.to(torch.int32)
    broken = _confirmed(oracle, images, logits, labels, targets, unbroken)
    readings.succeed(last, restart, index[broken], images[broken])
    if trace is not None and trace.wants(last):
        value = LOSSES[settings.loss](logits, labels, targets)
        trace.record(restart, last, logits, value, None, labels)


def _objective(loss: Loss, labels: Tensor, targets: Tensor | None) -> Callable[[Tensor], Tensor]:
    def objective(logits: Tensor) -> Tensor:
        check_classes(loss, logits.shape[1], targets is not None)
        return LOSSES[loss](logits, labels, targets)

    return objective


def _confirmed(
    oracle: Oracle, images: Tensor, logits: Tensor, labels: Tensor, targets: Tensor | None, asked: Tensor
) -> Tensor:
    """Which cells of those asked about have succeeded, by the deployed network's own word."""
    broken = succeeded(logits, labels, targets) & asked
    at = broken.nonzero()[:, 0]
    if len(at):
        chosen = None if targets is None else targets[at]
        broken[at] = succeeded(oracle.confirm(images[at]), labels[at], chosen)
    return broken
