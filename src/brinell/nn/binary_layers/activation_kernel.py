"""Batch norm and staircase in one pass over memory, forward and backward, compiled by Numba for this processor.

A map in channels-last memory is a table whose rows are some pixels with every channel of each, so that a number's
column decides its channel. Nothing in a loop over a row depends on the column before, which makes it vector
instructions, and the row stays in the first cache while all bases pass over it.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from functools import cache
from types import SimpleNamespace
from typing import Any, Final

import numpy as np

_BLOCK: Final = 64
"""Rows after which float32 sums are added to float64 ones."""
_OPTIONS: Final = {
    "nogil": True,
    "error_model": "numpy",
    # Sums in any order; NaN and infinity stay what they are.
    "fastmath": {"reassoc", "contract", "nsz"},
}


def has_numba() -> bool:
    """Whether Numba, an optional dependency, is installed."""
    return importlib.util.find_spec("numba") is not None


@cache
def kernels() -> Any:
    """The loops below by name, compiled when first called; tables are float32 `(rows, width)`, sums float64."""
    compiled: Callable[..., Any] = importlib.import_module("numba").njit(**_OPTIONS)
    loops = (_moments, _forward, _backward, _add_affine)
    return SimpleNamespace(**{loop.__name__.strip("_"): compiled(loop) for loop in loops})


def _moments(x: Any, origin: Any, sums: Any) -> None:
    """Add to `sums` `(2, width)` those of `x - origin` and of its square; `origin` `(width,)`."""
    rows, width = x.shape
    first, second = np.zeros(width, np.float32), np.zeros(width, np.float32)
    for start in range(0, rows, _BLOCK):
        first[:] = 0
        second[:] = 0
        for row in range(start, min(rows, start + _BLOCK)):
            for i in range(width):
                away = x[row, i] - origin[i]
                first[i] += away
                second[i] += away * away
        for i in range(width):
            sums[0, i] += first[i]
            sums[1, i] += second[i]


def _forward(x: Any, scale: Any, offset: Any, thresholds: Any, rises: Any, out: Any) -> None:
    """`out` is the staircase of `x * scale + offset`: half of each rise, with - where its threshold is not reached."""
    rows, width = x.shape
    floor = np.float32(-0.5 * rises.sum())
    zero = np.float32(0)
    normed = np.empty(width, np.float32)
    for row in range(rows):
        for i in range(width):
            value = x[row, i] * scale[i] + offset[i]
            normed[i] = value
            out[row, i] = floor if value == value else value  # NaN stays NaN
        for n in range(len(thresholds)):
            threshold, rise = thresholds[n], rises[n]
            for i in range(width):
                out[row, i] += rise if normed[i] >= threshold else zero


def _backward(
    x: Any,
    gradient: Any,
    scale: Any,
    offset: Any,
    thresholds: Any,
    slopes: Any,
    reach: Any,
    origin: Any,
    out: Any,
    sums: Any,
    steps: Any,
) -> None:
    """`out` is `scale` times the gradient by `x * scale + offset`: the given one times the `slopes` within `reach`.

    Where `sums` `(2, width)` and `steps` `(2, N + 1)` are not empty, they get the sums of the gradient by
    `x * scale + offset` and of its product with `x - origin`, and those of the given gradient within reach of each
    threshold (first row), where each is reached, and everywhere (second row).
    """
    rows, width = x.shape
    zero = np.float32(0)
    normed, total = np.empty(width, np.float32), np.empty(width, np.float32)
    first, second = np.zeros(width, np.float32), np.zeros(width, np.float32)
    for start in range(0, rows, _BLOCK):
        first[:] = 0
        second[:] = 0
        for row in range(start, min(rows, start + _BLOCK)):
            for i in range(width):
                normed[i] = x[row, i] * scale[i] + offset[i]
                total[i] = zero
            for n in range(len(thresholds)):
                threshold, slope = thresholds[n], slopes[n]
                if steps.size:
                    near, above = zero, zero
                    for i in range(width):
                        value = gradient[row, i] if abs(normed[i] - threshold) < reach else zero
                        near += value
                        above += gradient[row, i] if normed[i] >= threshold else zero
                        total[i] += value * slope
                    steps[0, n] += near
                    steps[1, n] += above
                else:
                    for i in range(width):
                        total[i] += slope * gradient[row, i] if abs(normed[i] - threshold) < reach else zero
            if steps.size:
                whole = zero
                for i in range(width):
                    whole += gradient[row, i]
                steps[1, len(thresholds)] += whole
            if sums.size:
                for i in range(width):
                    first[i] += total[i]
                    second[i] += total[i] * (x[row, i] - origin[i])
            for i in range(width):
                out[row, i] = total[i] * scale[i]
        if sums.size:
            for i in range(width):
                sums[0, i] += first[i]
                sums[1, i] += second[i]


def _add_affine(x: Any, factor: Any, constant: Any, out: Any) -> None:
    """Add `x * factor + constant` to `out`; `factor` and `constant` `(width,)`."""
    rows, width = x.shape
    for row in range(rows):
        for i in range(width):
            out[row, i] += x[row, i] * factor[i] + constant[i]
