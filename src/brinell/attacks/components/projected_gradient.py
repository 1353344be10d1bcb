"""The walk that BIM and PGD share: gradient steps inside a ball, for many radii and numbers of steps at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from brinell.attacks.components.best_so_far import BestSoFar
from brinell.attacks.components.epsilon_batch import EpsilonBatch
from brinell.attacks.components.hessian_norm_scale import hessian_norm_scale
from brinell.attacks.components.projection import random_start
from brinell.attacks.components.trace import Trace
from brinell.attacks.harness.attack import Batch, Crafted, broadcast_per_image
from brinell.attacks.harness.losses import LOSSES, Loss, check_classes
from brinell.attacks.harness.oracle import Oracle
from brinell.attacks.harness.targets import Targets, classes_in_turn
from brinell.core import Point
from brinell.nn import Norm, project, steepest

LogitScaling = Literal["none", "hessian"]


@dataclass(frozen=True)
class ProjectedGradient:
    """Settings of a walk; `step_size` `None` is a quarter of each epsilon; `label` is whose loss is raised; without
    `early_stop` what is broken walks on, and its latest success is kept."""

    norm: Norm
    step_size: float | None
    restarts: int
    random_start: bool
    loss: Loss
    label: Literal["true", "predicted"]
    early_stop: bool
    seed: int
    trace_every: int | None
    targets: Targets = None
    logit_scaling: LogitScaling = "none"


def projected_gradient(oracle: Oracle, batch: Batch, points: Sequence[Point], settings: ProjectedGradient) -> Crafted:
    """Candidates at every point: the first iterate that succeeded (or the latest), else the last of the first start."""
    readings = BestSoFar(batch.images, points, stops=settings.early_stop)
    everyone = EpsilonBatch.spread(batch, readings.epsilons)
    trace = Trace(readings.epsilons, settings.trace_every) if settings.trace_every is not None else None
    towards = classes_in_turn(oracle, everyone.clean, everyone.labels, settings.targets)
    readings.forwards += settings.targets is not None
    runs = settings.restarts * len(towards)
    for number in range(runs):
        standing = everyone if trace is not None else everyone.at(readings.open(everyone.index).any(0))
        aim = towards[number // settings.restarts]
        run = _Run(standing, standing.targets if aim is None else aim[standing.index], number, runs)
        if len(standing.index):
            _ascend(oracle, run, readings, settings, trace)
    return readings.crafted(None if trace is None else trace.columns())


@dataclass(frozen=True)
class _Run:
    """One of `runs` walks: its cells, the classes they go towards, and its number, which keys its noise."""

    cells: EpsilonBatch
    aim: Tensor | None
    number: int
    runs: int


class _Objective:
    """The loss to ascend. `predicted` labels are those of the first iterate it sees, and stay."""

    def __init__(self, settings: ProjectedGradient, run: _Run) -> None:
        self.loss = settings.loss
        self.labels = run.cells.labels if settings.label == "true" else None
        self.targets = run.aim
        self.scale: Tensor | None = None

    def __call__(self, logits: Tensor) -> Tensor:
        check_classes(self.loss, logits.shape[1], self.targets is not None)
        if self.scale is not None:
            logits = logits * self.scale[:, None]
        if self.labels is None:
            self.labels = logits.detach().argmax(1)
        return LOSSES[self.loss](logits, self.labels, self.targets)

    def narrow(self, stay: Tensor) -> None:
        """Go on with some of the cells."""
        self.labels = None if self.labels is None else self.labels[stay]
        self.targets = None if self.targets is None else self.targets[stay]
        self.scale = None if self.scale is None else self.scale[stay]


def _ascend(oracle: Oracle, run: _Run, readings: BestSoFar, settings: ProjectedGradient, trace: Trace | None) -> None:
    """One walk from one start. Broken cells leave the batch, unless a trace wants to see all of them to the end."""
    objective, cells, restart = _Objective(settings, run), run.cells, run.number
    images = _start(cells, settings, restart)
    if settings.logit_scaling == "hessian":
        objective.scale, backwards = hessian_norm_scale(oracle, images, cells.labels)
        readings.spend(0, cells.index, forwards=2, backwards=backwards)
    last = readings.steps[-1]
    looks = trace is not None or run.runs > 1 or not settings.early_stop
    for step in range(last):
        oracle.report_progress(restart * last + step, run.runs * last)
        logits, value, gradient = oracle.gradient(images, objective)
        zero = (gradient.flatten(1) == 0).all(1)
        readings.spend(step, cells.index, zero=zero)
        asked = readings.wants(step, cells.index)
        if looks:  # as a reading that ends here looks at its last iterate when it is alone
            asked = asked | readings.ends(step, cells.index)
            readings.forwards[:, cells.index] += readings.ends(step, cells.index)
        broken = oracle.confirmed(images, logits, cells.labels, cells.targets, asked=asked.any(0))
        readings.succeed(step, cells.index[broken], images[broken], restart=restart)
        if trace is not None:
            trace.record(restart, step, logits, value, zero, cells.labels)
        elif bool(broken.any()):
            stay = readings.wants(step, cells.index).any(0)
            cells, images, gradient = cells.at(stay), images[stay], gradient[stay]
            objective.narrow(stay)
            if not len(images):
                return
        images = _step(images, gradient, cells, settings)
        if restart == 0:
            readings.keep(step + 1, cells.index, images)
    if looks:
        _look_at_the_end(oracle, cells, images, readings, objective, restart, trace)


def _start(cells: EpsilonBatch, settings: ProjectedGradient, restart: int) -> Tensor:
    if not settings.random_start:
        return cells.clean
    return random_start(cells.clean, cells.radius, cells.ids, settings.norm, seed=settings.seed, restart=restart)


def _step(images: Tensor, gradient: Tensor, cells: EpsilonBatch, settings: ProjectedGradient) -> Tensor:
    size = cells.radius / 4 if settings.step_size is None else torch.full_like(cells.radius, settings.step_size)
    moved = images + broadcast_per_image(size, images) * steepest(gradient, settings.norm)
    return project(moved, cells.clean, cells.radius, settings.norm)


def _look_at_the_end(
    oracle: Oracle,
    cells: EpsilonBatch,
    images: Tensor,
    readings: BestSoFar,
    objective: _Objective,
    restart: int,
    trace: Trace | None,
) -> None:
    """See whether the last iterate succeeded, where another start or a trace depends on it."""
    last = readings.steps[-1]
    logits = oracle.logits(images)
    wanted = readings.open(cells.index)[-1]
    readings.forwards[-1, cells.index] += wanted.to(torch.int32)
    broken = oracle.confirmed(images, logits, cells.labels, cells.targets, asked=wanted)
    readings.succeed(last, cells.index[broken], images[broken], restart=restart)
    if trace is not None:
        trace.record(restart, last, logits, objective(logits), None, cells.labels)
