"""One-sided 95 % bounds: of a share of examples, and of the difference of two shares on the same examples."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from scipy.special import betaincinv

CONFIDENCE: Final = 0.95
"""Of each bound by itself."""
Z: Final = 1.6448536269514722
"""The normal distribution's 95 % point."""
_HALVINGS: Final = 60


def share_bounds(correct: float, examples: int) -> tuple[float, float]:
    """The lower and the upper one-sided 95 % bound of a share, exact (Clopper and Pearson 1934).

    `correct` may hold parts of examples, such as a mean over corruptions: the share is then taken for that of as many
    whole ones. The share lies under the lower bound in at most 5 % of samples, and over the upper one in at most 5 %.
    Of no examples the bounds are 0 and 1.
    """
    wrong = max(0.0, examples - correct)
    low = float(betaincinv(correct, wrong + 1, 1 - CONFIDENCE)) if correct else 0.0
    high = float(betaincinv(correct + 1, wrong, CONFIDENCE)) if wrong else 1.0
    return low, high


def difference_bounds(only_one: float, only_other: float, examples: int) -> tuple[float, float]:
    """The lower and the upper one-sided 95 % bound of the first share less the second, on the same examples.

    Args:
        only_one: Examples that only the first gets right; parts of examples count as in `share_bounds`.
        only_other: Examples that only the second gets right.
        examples: All examples; none: the bounds are -1 and 1.

    The bounds invert the score test of a given difference (Tango 1998, equation 3, "Equivalence test and confidence
    interval for the difference in proportions for the paired-sample design", Statistics in Medicine 17). Unlike Wald's
    they are not empty where no example differs: of n examples that all agree they are -+z^2 / (n + z^2).
    """
    if examples == 0:
        return -1.0, 1.0
    estimate = (only_one - only_other) / examples
    low = _root(lambda delta: _score(only_one, only_other, examples, delta) - Z, -1.0, estimate)
    high = _root(lambda delta: _score(only_one, only_other, examples, delta) + Z, estimate, 1.0)
    return low, high


def _score(only_one: float, only_other: float, examples: int, delta: float) -> float:
    """Tango's statistic of the hypothesis that the difference is `delta`; it falls with `delta`, 0 at the estimate."""
    difference = only_one - only_other - examples * delta
    b = (2 * examples - only_one + only_other) * delta - only_one - only_other
    c = -only_other * delta * (1 - delta)
    root = math.sqrt(max(0.0, b * b - 8 * examples * c))
    # The larger root of 2 n q^2 + b q + c = 0: the likeliest share that only the other gets right.
    other = (root - b) / (4 * examples) if b <= 0 else (-2 * c / (root + b) if root + b > 0 else 0.0)
    variance = examples * (2 * other + delta * (1 - delta))
    if variance <= 0:
        return 0.0 if difference == 0 else math.copysign(math.inf, difference)
    return difference / math.sqrt(variance)


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    """Where a falling function changes its sign, by bisection; an end where it does not."""
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if function(middle) > 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2
