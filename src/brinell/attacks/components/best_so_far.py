"""What one pass of an iterative attack has seen, for every number of steps it will be read at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from brinell.attacks.harness.attack import Crafted
from brinell.core import Point


class BestSoFar:
    """The best candidates so far of M cells (every image at every epsilon, epsilon-major) at K numbers of steps.

    A cell that is broken at one number of steps is broken at every larger one, by the same image: the first that
    succeeded, after which it `stops`. One that does not goes on, and keeps the latest. All tensors are `(K, M)`.
    """

    def __init__(self, images: Tensor, points: Sequence[Point], *, stops: bool = True) -> None:
        self.points, self.stops = points, stops
        self.epsilons = list(dict.fromkeys(point.epsilon for point in points))
        images = images.repeat(len(self.epsilons), 1, 1, 1)
        self.steps = sorted({point.steps for point in points})
        shape, device = (len(self.steps), len(images)), images.device
        self.limits = torch.tensor(self.steps, device=device)[:, None]
        self.images = images.expand(len(self.steps), *images.shape).clone()
        self.broken = torch.zeros(shape, dtype=torch.bool, device=device)
        self.first = torch.full(shape, -1, dtype=torch.int32, device=device)
        self.restart = torch.zeros(shape, dtype=torch.int32, device=device)
        self.forwards = torch.zeros(shape, dtype=torch.int32, device=device)
        self.backwards = torch.zeros(shape, dtype=torch.int32, device=device)
        self.zeros = torch.zeros(shape, dtype=torch.int32, device=device)

    def wants(self, step: int, index: Tensor) -> Tensor:
        """`(K, len(index))`: which readings still need to go on from iterate `step`."""
        return self.open(index) & (self.limits > step)

    def ends(self, step: int, index: Tensor) -> Tensor:
        """`(K, len(index))`: which readings end with iterate `step` and would take another success."""
        return self.open(index) & (self.limits == step)

    def open(self, index: Tensor) -> Tensor:
        """`(K, len(index))`: which readings would take another success."""
        broken = self.broken[:, index]
        return ~broken if self.stops else torch.ones_like(broken)

    def spend(
        self, step: int, index: Tensor, *, forwards: int | Tensor = 1, backwards: int = 1, zero: Tensor | None = None
    ) -> None:
        """Count passes at iterate `step` for the readings that need them, and gradients that were zero throughout."""
        wanted = self.wants(step, index)
        self.forwards[:, index] += forwards * wanted
        self.backwards[:, index] += backwards * wanted
        if zero is not None:
            self.zeros[:, index] += wanted & zero

    def succeed(self, step: int | Tensor, index: Tensor, images: Tensor, *, restart: int = 0) -> None:
        """Keep iterate `step` (one, or one a cell) of the cells `index` for every open reading that allows it."""
        steps = torch.as_tensor(step, dtype=torch.int32, device=index.device).expand(len(index))
        new = self.open(index) & (self.limits >= steps)
        for row, chosen in enumerate(new):
            at = index[chosen]
            self.images[row, at] = images[chosen]
            self.first[row, at] = torch.where(self.broken[row, at], self.first[row, at], steps[chosen])
            self.restart[row, at] = restart
            self.broken[row, at] = True

    def keep(self, step: int, index: Tensor, images: Tensor) -> None:
        """Keep iterate `step` where it is the last one that a reading allows and nothing better is known."""
        if step in self.steps:
            row = self.steps.index(step)
            unbroken = ~self.broken[row, index]
            self.images[row, index[unbroken]] = images[unbroken]

    def crafted(self, traces: dict[str, list[Any]] | None = None, *, queries: bool = False) -> Crafted:
        """The points' own readings, in their order; with `queries`, every forward pass was one."""
        return Crafted(
            images=self._pick(self.images),
            first_success_step=self._pick(self.first),
            restart=self._pick(self.restart),
            forwards=self._pick(self.forwards),
            backwards=self._pick(self.backwards),
            zero_gradients=None if queries else self._pick(self.zeros),
            queries=self._pick(self.forwards) if queries else None,
            traces=traces,
        )

    def _pick(self, values: Tensor) -> Tensor:
        cube = values.unflatten(1, (len(self.epsilons), -1))
        at = [(self.steps.index(point.steps), self.epsilons.index(point.epsilon)) for point in self.points]
        return torch.stack([cube[row, radius] for row, radius in at])
