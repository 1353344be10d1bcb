"""The cells of a batch that no attack has broken yet, and their first successes until the network confirms them."""

from __future__ import annotations

import torch
from torch import Tensor

from brinell.attacks.components.best_so_far import BestSoFar
from brinell.attacks.components.epsilon_batch import EpsilonBatch
from brinell.attacks.harness.losses import succeeded
from brinell.attacks.harness.oracle import Oracle


class Undecided:
    """Cells under attack. What succeeds by the fast copy's logits is put aside, confirmed and dropped from the batch.

    Nothing is copied to the host between two calls of `settle` that look: at every step on a processor and at every
    tenth elsewhere, where a look waits for the device. Cells that are together have taken the same passes.
    """

    def __init__(self, oracle: Oracle, cells: EpsilonBatch, best: BestSoFar, restart: int = 0) -> None:
        self.oracle, self.best, self.restart = oracle, best, restart
        self.every = 1 if cells.clean.device.type == "cpu" else 10
        self.forwards = self.backwards = 0
        self._begin(cells.at(best.open(cells.index).any(0).nonzero()[:, 0]))
        self.zeros = torch.zeros_like(self.cells.index, dtype=torch.int32)

    def _begin(self, cells: EpsilonBatch) -> None:
        self.cells, self.images = cells, cells.clean
        self.found = torch.zeros_like(cells.index, dtype=torch.bool)
        self.step, self.passes = torch.zeros_like(cells.index), cells.index.new_zeros((2, len(cells.index)))

    def __len__(self) -> int:
        return len(self.cells.index)

    def spend(self, *, forwards: int = 1, backwards: int = 0, zero: Tensor | None = None) -> None:
        """Count passes, and gradients that were zero throughout, for the cells that have not succeeded."""
        self.forwards += forwards
        self.backwards += backwards
        if zero is not None:
            self.zeros = self.zeros + (zero & ~self.found)

    def see(self, step: int, images: Tensor, logits: Tensor, allowed: Tensor | None = None) -> None:
        """Put aside the iterates that have succeeded by these logits, where that is `allowed`."""
        new = succeeded(logits, self.cells.labels, self.cells.targets) & ~self.found
        if allowed is not None:
            new = new & allowed
        if self.every == 1 and not bool(new.any()):
            return
        self.images = torch.where(new[:, None, None, None], images, self.images)
        self.step = torch.where(new, step, self.step)
        self.passes = torch.where(new, self.passes.new_tensor([[self.forwards], [self.backwards]]), self.passes)
        self.found = self.found | new

    def settle(self, step: int, *, last: bool = False) -> Tensor | None:
        """Confirm what was put aside; the places of the cells that go on, or `None` where all do.

        At the `last` step the passes of those that are left are counted too.
        """
        stay = None
        if (last or not step % self.every) and bool(self.found.any()):
            stay = self._drop(self._confirmed())
        if last:
            self._count(self.cells.index, self.passes.new_tensor([[self.forwards], [self.backwards]]), self.zeros)
        return stay

    def _confirmed(self) -> Tensor:
        at = self.found.nonzero()[:, 0]
        targets = None if self.cells.targets is None else self.cells.targets[at]
        return at[self.oracle.is_adversarial(self.images[at], self.cells.labels[at], targets)]

    def _drop(self, done: Tensor) -> Tensor:
        index = self.cells.index[done]
        self._count(index, self.passes[:, done], self.zeros[done])
        self.best.succeed(self.step[done], index, self.images[done], restart=self.restart)
        stay = torch.ones_like(self.found).index_fill(0, done, value=False).nonzero()[:, 0]
        self.zeros = self.zeros[stay]
        self._begin(self.cells.at(stay))
        return stay

    def _count(self, index: Tensor, passes: Tensor, zeros: Tensor) -> None:
        self.best.forwards[:, index] += passes[0].to(torch.int32)
        self.best.backwards[:, index] += passes[1].to(torch.int32)
        self.best.zeros[:, index] += zeros

    def keep(self, images: Tensor) -> None:
        """Keep these images of the cells for want of a success."""
        self.best.keep(self.best.steps[-1], self.cells.index, images)
