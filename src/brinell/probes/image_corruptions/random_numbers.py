"""Random numbers of a corruption: an example gets the same ones in any batch and at every severity."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from brinell.nn import noise


@dataclass(frozen=True)
class RandomNumbers:
    """Numbers that depend on the seed, the corruption and the example's id alone."""

    seed: int
    corruption: str
    ids: Tensor

    def uniform(self, shape: tuple[int, ...], *use: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        """Float32 `(N, *shape)` in [`low`, `high`); other numbers for another `use`."""
        return low + (high - low) * noise.uniform(self.seed, self.corruption, self.ids, shape, *use)

    def gaussian(self, shape: tuple[int, ...], *use: int) -> Tensor:
        """Standard normal float32 `(N, *shape)`."""
        return noise.gaussian(self.seed, self.corruption, self.ids, shape, *use)

    def radians(self, low: float, high: float) -> Tensor:
        """An angle an example, `(N,)`, between two that are given in degrees."""
        return self.uniform((), low=math.radians(low), high=math.radians(high))
