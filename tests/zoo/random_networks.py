"""Networks that draw random numbers in evaluation mode: inside PyTorch, outside it, while they are traced."""

from __future__ import annotations

import random

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from zoo.odd import OddNetwork, Small


class DropoutAlways(Small):
    """Monte Carlo dropout."""

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(F.dropout(self.features(x), 0.3, training=True).flatten(1))


class Noisy(Small):
    """Gaussian noise on its input, as a defence."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x + 0.1 * torch.randn_like(x))


class NoisyByNumpy(Small):
    """Noise that a tracer would take for a constant."""

    def forward(self, x: Tensor) -> Tensor:
        noise = torch.from_numpy(np.random.normal(size=(8, 8)))
        return super().forward(x + 0.1 * noise.to(x.dtype))


class FlipsByChance(Small):
    """A branch that is taken by Python's own generator."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.flip(3) if random.random() < 0.5 else x)  # noqa: S311


class NoiseMadeOnce(Small):
    """A constant that is drawn in forward, outside the graph."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x + 0.1 * torch.randn(8, 8))


NETWORKS = (
    OddNetwork("dropout that is always on", lambda: DropoutAlways().eval(), random=True),
    OddNetwork("noise on the input", lambda: Noisy().eval(), random=True),
    OddNetwork("noise by NumPy", lambda: NoisyByNumpy().eval(), random=True),
    OddNetwork("flips by chance", lambda: FlipsByChance().eval(), random=True),
    OddNetwork("one noise for all images", lambda: NoiseMadeOnce().eval(), random=True),
)
