"""Masks that weights are trained behind: prune, splice, and count it (Guo 2016)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from brinell.compressors.training_stages import top_k_mask
from brinell.core import derive_seed

POINTS: Final = 40
"""Of the log of a phase, at most: it ships in the file's header."""
_SAMPLE: Final = 100_000
"""Weights that a layer's threshold is estimated from: a quantile of so many is within 0.2 % of all weights."""
_PRUNE, _SPLICE = 0.9, 1.1
"""Of the threshold: a weight is pruned at or below the one and comes back above the other."""


class _Masked(torch.autograd.Function):
    """w * mask, whose gradient is dense: what is pruned goes on learning, and may come back (equation 4)."""

    @staticmethod
    def forward(context: Any, weight: Tensor, mask: Tensor) -> Tensor:
        return torch.where(mask, weight, 0.0)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0], None


class Mask(nn.Module):
    """A parametrization: which weights of a layer count, and how that changed. Buffers, so that a checkpoint has all.

    `log` holds, for up to `POINTS` equal parts of the training, the weights pruned, spliced and left.
    """

    mask: Tensor
    step: Tensor
    log: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.register_buffer("mask", torch.ones_like(weight, dtype=torch.bool))
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))
        self.register_buffer("log", torch.zeros(POINTS, 3, dtype=torch.int64))

    def forward(self, weight: Tensor) -> Tensor:
        """The weights that count; zero for the others."""
        masked: Tensor = _Masked.apply(weight, self.mask)  # type: ignore[no-untyped-call]
        return masked

    @torch.no_grad()
    def update(self, weight: Tensor, threshold: float, point: int) -> None:
        """Prune and splice by size (equation 3): what lies between the two borders stays as it is."""
        self.replace(self.borders(weight) > threshold, point)

    def borders(self, weight: Tensor) -> Tensor:
        """The threshold from which on each weight is, or stays, pruned."""
        return weight.abs() / torch.where(self.mask, _PRUNE, _SPLICE).to(weight.dtype)

    @torch.no_grad()
    def replace(self, mask: Tensor, point: int) -> None:
        """Put another mask in place, and log what that prunes and splices."""
        before, after, changed = (part.count_nonzero() for part in (self.mask, mask, self.mask ^ mask))
        self.mask.copy_(mask)
        self.log[point, 0] += (changed + before - after) // 2
        self.log[point, 1] += (changed - before + after) // 2
        self.log[point:, 2] = after


class Surgery:
    """One layer under the knife: its mask, and when and at which threshold it changes.

    With `kept`, the threshold is the one that leaves the wanted number of weights, found anew at each change (the
    weights move), and the last change meets it exactly. Without, it is max(mean |w| + c * std |w|, 0) of the weights at
    the start, as in the authors' code. `tied` are the other layers that hold the same weight: one mask serves all.
    """

    def __init__(
        self,
        layer: nn.Module,
        name: str,
        *,
        kept: int | None,
        c: float,
        seed: int,
        tied: Sequence[nn.Module] = (),
    ) -> None:
        weight = layer.get_parameter("weight")
        self.layer, self.name, self.kept, self.seed = layer, name, kept, seed
        size = weight.detach().abs()
        self.fixed = max(float(size.mean()) + c * float(size.std(correction=0)), 0.0) if kept is None else None
        self.mask = Mask(weight)
        self.layers = (layer, *tied)
        for each in self.layers:
            parametrize.register_parametrization(each, "weight", self.mask, unsafe=True)
        self.last = 0

    @property
    def weight(self) -> Tensor:
        """All weights, the pruned ones too."""
        return self.layer.get_parameter("parametrizations.weight.original")

    def begin(self, last: int) -> None:
        """The first change, at step 0 of `last + 1` steps in which there may be changes."""
        self.last = last
        self.mask.step.zero_()
        self.mask.log.zero_()
        self._change(0)

    @torch.no_grad()
    def after_step(self, gamma: float, power: float) -> None:
        """Perhaps a change: with probability (1 + gamma * step)^-power until the last step, and surely at that one."""
        self.mask.step += 1
        step = int(self.mask.step)
        chance = derive_seed(self.seed, "surgery", self.name, step) / 2**63
        if step == self.last or (step < self.last and chance < (1 + gamma * step) ** -power):
            self._change(step)

    def _change(self, step: int) -> None:
        point = min(step * POINTS // (self.last + 1), POINTS - 1)
        weight = self.weight.detach()
        if self.kept is not None and step == self.last:
            self.mask.replace(top_k_mask(self.mask.borders(weight), self.kept), point)
        else:
            self.mask.update(weight, self.fixed if self.fixed is not None else self._threshold(weight), point)

    def _threshold(self, weight: Tensor) -> float:
        flat = self.mask.borders(weight).flatten()
        sample = flat[:: max(1, flat.numel() // _SAMPLE)]
        left = (self.kept or 0) / flat.numel()
        return float(sample.kthvalue(max(1, round((1 - left) * sample.numel()))).values)

    def bake(self) -> None:
        """Make the zeros the layer's own weights, without a mask."""
        for layer in self.layers:
            parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)
