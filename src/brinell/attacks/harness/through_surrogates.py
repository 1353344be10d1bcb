"""A binary network attacked through every surrogate gradient in turn, each with both kinds of loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from brinell.attacks.harness.attack import Attack, Batch, Crafted
from brinell.attacks.harness.oracle import Oracle
from brinell.core import Point, derive_seed
from brinell.nn import distance

ORDER: Final = ("polynomial", "clip", "tanh", "wide", "identity")
"""The surrogates, the one first that finds the most in the fewest passes on XNOR-Net and ABC-Net."""
_COUNTS: Final = ("forwards", "backwards", "zero_gradients")


def craft_through_surrogates(
    attack: Attack, oracle: Oracle, batch: Batch, points: Sequence[Point], *, seed: int
) -> Crafted:
    """The worst candidate of each example at each point, over all runs.

    Within a radius an example leaves after the run that has broken it; without one all runs are taken and the nearest
    success is kept. `restart` counts the runs' restarts through. Every run but the first has noise of its own.
    """
    worst = _Worst.begin(attack, batch, points)
    runs = list(_runs(attack, oracle, seed))
    for number, (surrogate, variant, own) in enumerate(runs):
        left = worst.open.any(0).nonzero()[:, 0]
        if not len(left):
            break
        oracle.use_surrogate(surrogate)
        part = Batch(*(None if values is None else values[left] for values in batch))  # type: ignore[arg-type]
        report = oracle.report_progress
        oracle.report_progress = _Share(report, number, len(runs))
        try:
            crafted = variant.craft(oracle, part, points, seed=own, trace_every=None)
        finally:
            oracle.report_progress = report
        worst.take(oracle, left, crafted, number)
    return worst.crafted()


def _runs(attack: Attack, oracle: Oracle, seed: int) -> Iterator[tuple[str, Attack, int]]:
    """Surrogate, attack and seed of each run."""
    losses = [attack]
    if "loss" in type(attack).model_fields:
        other = "margin" if getattr(attack, "loss", "") != "margin" else "cross_entropy"
        losses.append(attack.model_copy(update={"loss": other}))
    first = True
    known = [name for name in ORDER if name in oracle.surrogates]
    for surrogate in dict.fromkeys([*known, *oracle.surrogates]):  # one that ORDER does not name comes last
        for place, variant in enumerate(losses):
            yield surrogate, variant, seed if first else derive_seed(seed, "surrogate", surrogate, place)
            first = False


class _Share:
    """Progress of one of several runs as a share of all."""

    def __init__(self, report: Callable[[float, float], None], number: int, runs: int) -> None:
        self.report, self.number, self.runs = report, number, runs

    def __call__(self, done: float, total: float) -> None:
        self.report(self.number * total + done, self.runs * total)


@dataclass
class _Worst:
    """What is kept of each example at each point, `(P, N, ...)`, and which of them are still attacked."""

    attack: Attack
    batch: Batch
    points: Sequence[Point]
    images: Tensor
    far: Tensor
    """Distance of the nearest success; infinity where there is none."""
    open: Tensor
    first: Tensor
    restart: Tensor
    counts: dict[str, Tensor]

    @classmethod
    def begin(cls, attack: Attack, batch: Batch, points: Sequence[Point]) -> _Worst:
        shape = (len(points), len(batch.images))
        nothing = torch.zeros(shape, dtype=torch.int32, device=batch.images.device)
        return cls(
            attack=attack,
            batch=batch,
            points=points,
            images=batch.images.expand(len(points), *batch.images.shape).clone(),
            far=torch.full(shape, torch.inf, device=batch.images.device),
            open=torch.ones_like(nothing, dtype=torch.bool),
            first=nothing - 1,
            restart=nothing.clone(),
            counts={name: nothing.clone() for name in _COUNTS},
        )

    def take(self, oracle: Oracle, left: Tensor, crafted: Crafted, number: int) -> None:
        """Keep what one run has found of the examples `left`, and count what it took where that was needed."""
        labels = self.batch.labels[left]
        targets = None if self.batch.targets is None else self.batch.targets[left]
        clean, restarts = self.batch.images[left], getattr(self.attack, "restarts", 1)
        for row, point in enumerate(self.points):
            images = self.attack.clip(crafted.images[row], clean, point.epsilon)
            needed = self.open[row, left]
            for name, count in self.counts.items():
                taken = getattr(crafted, name)
                if taken is not None:
                    count[row, left] += taken[row].to(count) * needed
            self.counts["forwards"][row, left] += needed
            success = oracle.is_adversarial(images, labels, targets)
            far = torch.where(success, distance(clean, images, self.attack.distance_norm), torch.inf)
            better = needed & ((far < self.far[row, left]) | (torch.tensor(number == 0, device=far.device)))
            at = left[better]
            self.images[row, at], self.far[row, at] = images[better], far[better]
            self.first[row, at] = torch.where(success, crafted.first_success_step[row], -1)[better].to(self.first)
            self.restart[row, at] = (number * restarts + crafted.restart[row])[better].to(self.restart)
            if point.epsilon is not None:
                self.open[row, left] &= ~success

    def crafted(self) -> Crafted:
        """All points."""
        return Crafted(
            images=self.images,
            first_success_step=self.first,
            restart=self.restart,
            forwards=self.counts["forwards"],
            backwards=self.counts["backwards"],
            zero_gradients=self.counts["zero_gradients"],
        )
