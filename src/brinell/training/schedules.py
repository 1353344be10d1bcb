"""Learning rates as pure functions of the step, so that a resumed run needs no state of theirs."""

from __future__ import annotations

import math

from brinell.training.settings import Train

_RISE = 0.3
_START = 1 / 25


def learning_rate(train: Train, step: int, steps: int) -> float:
    """The rate of `step` (from 0) of `steps`."""
    peak, done = train.learning_rate, step / max(1, steps)
    if train.schedule == "constant":
        return peak
    if train.schedule == "cosine":
        return peak * _fall(done)
    if done < _RISE:
        return peak * (1 - (1 - _START) * _fall(done / _RISE))
    return peak * _fall((done - _RISE) / (1 - _RISE))


def _fall(share: float) -> float:
    """Half a cosine: 1 at 0, 0 at 1."""
    return (1 + math.cos(math.pi * share)) / 2
