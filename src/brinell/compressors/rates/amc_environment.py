"""AMC's environment: an episode goes through the layers and says how much of each is kept (He 2018, section 3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray
from torch import nn

from brinell.compressors.budgets.resolved_budget import ResolvedBudget
from brinell.compressors.granularities import largest_within
from brinell.compressors.rates.rates import RateProblem

Shares = Mapping[str, float]


class LayerWalk(gymnasium.Env[NDArray[np.float32], NDArray[np.float32]]):
    """One layer a step; an action in [-1, 1] is a place in the interval of shares from which the budget can still be
    met exactly: what is stored is what was done, and nothing is clipped. Its ends are -1 and 1, and 0 is the share that
    this layer and all that follow can keep alike, so that an agent that says nothing prunes uniformly. Between them it
    is linear.

    The reward is `judge`'s word on the shares, at the end; every step before gives 0. Every layer keeps at least
    `least` of its units.
    """

    def __init__(self, case: RateProblem, least: Shares, judge: Callable[[Shares], float]) -> None:
        self.resolved, self.least, self.judge = case.resolved, dict(least), judge
        self.layers = list(case.resolved.units)
        self.features = _features(case)
        width = self.features.shape[1] + 3
        self.observation_space = gymnasium.spaces.Box(0.0, 1.0, (width,), np.float32)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)
        self.whole = self.resolved.cost(dict.fromkeys(self.layers, 1.0))
        self.done: dict[str, float] = {}

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Before the first layer."""
        super().reset(seed=seed)
        self.done = {}
        return self._observed(), {}

    def step(self, action: NDArray[np.float32]) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Keep of the next layer the share at that place in its interval."""
        name = self.layers[len(self.done)]
        low, high = feasible_interval(self.resolved, self.done, name, self.least)
        alike = min(high, max(low, self.resolved.rest(self.done)))
        place = float(np.clip(action[0], -1.0, 1.0))
        self.done[name] = alike + place * (high - alike if place > 0 else alike - low)
        if len(self.done) < len(self.layers):
            return self._observed(), 0.0, False, False, {}
        return self._observed(), self.judge(dict(self.done)), True, False, {}

    def _observed(self) -> NDArray[np.float32]:
        """The layer's features, what the layers before have saved, what is left in those after, the last share."""
        at = min(len(self.done), len(self.layers) - 1)
        now = {name: self.done.get(name, 1.0) for name in self.layers}
        reduced = 1 - self.resolved.cost(now) / self.whole
        rest = self.resolved.cost.without(dict.fromkeys(self.layers[at + 1 :], 0.0)) / self.whole
        last = self.done[self.layers[len(self.done) - 1]] if self.done else 1.0
        return np.array([*self.features[at], reduced, rest, last], dtype=np.float32).clip(0.0, 1.0)


def feasible_interval(resolved: ResolvedBudget, done: Shares, name: str, least: Shares) -> tuple[float, float]:
    """From which to which share of the layer `name` the layers after it can still spend the budget exactly.

    `least` is what each layer keeps at any rate; `done` are the shares of the layers before.
    """

    def cost(rest: Shares) -> Callable[[float], float]:
        return lambda share: resolved.cost({**rest, **done, name: share})

    whole = dict.fromkeys(resolved.units, 1.0)
    high = largest_within(cost(least), least[name], 1.0, resolved.total)
    low = largest_within(cost(whole), least[name], high, resolved.total)
    return low, high


def _features(case: RateProblem) -> NDArray[np.float64]:
    """He 2018, equation 1, by layer: its place, channels out and in, height and width of its maps, stride, kernel,
    operations; each divided by the largest there is."""
    parts = dict(case.module.named_modules())
    rows = []
    for place, name in enumerate(case.resolved.units):
        layer, cost = parts[name], case.layers[name]
        height, width = cost.output_shape[-2:] if len(cost.output_shape) == 3 else (1, 1)
        kernel, stride = (layer.kernel_size[0], layer.stride[0]) if isinstance(layer, nn.Conv2d) else (1, 1)
        weight = layer.weight
        rows.append([place, len(weight), weight[0].numel() / kernel**2, height, width, stride, kernel, cost.macs])
    table = np.array(rows, dtype=np.float64)
    scaled: NDArray[np.float64] = table / table.max(0).clip(1.0)
    return scaled
