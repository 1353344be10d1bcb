"""What changed of latency, energy and accuracy on corrupted images, which probes measure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from brinell.analysis.compare.change_rows import change
from brinell.analysis.records.corrupted_images import correct_images
from brinell.analysis.records.probes import Corruptions, Energy, Found, Latency, Probes
from brinell.analysis.significance.paired_tests import SIGNIFICANCE
from brinell.core.requirements import CORRUPTED

PROBE_METRICS: Final = ("latency_ms", "energy_joules", CORRUPTED)
_MEDIAN: Final = 1.2533 / 1.3490
"""Standard error of a median of normal values, in quartile distances over the root of their number."""


@dataclass(frozen=True)
class _Measured:
    """A value, its standard error (`None`: not known) and the values of each image, where it is a mean of those."""

    value: float
    error: float | None = None
    shares: NDArray[np.float64] | None = None


def probe_changes(before: Probes, after: Probes) -> Iterator[dict[str, Any]]:
    """One row a metric, variant and runtime that either run measured.

    The p-value of a latency takes its median for normal, with the standard error that the quartiles give; that of an
    accuracy on corrupted images tests the differences of the images' shares.
    """
    for metric, sides in (
        ("latency_ms", [_latencies(side.of(Latency)) for side in (before, after)]),
        ("energy_joules", [_energies(side.of(Energy)) for side in (before, after)]),
        (CORRUPTED, [_corrupted(side.of(Corruptions)) for side in (before, after)]),
    ):
        for name in dict.fromkeys([*sides[0], *sides[1]]):
            yield _row(metric, *name, sides[0].get(name), sides[1].get(name))


def machine_notes(before: Probes, after: Probes) -> Iterator[str]:
    """What makes times incomparable: other machines."""
    kinds: tuple[type[Latency | Energy], ...] = (Latency, Energy)
    for record in kinds:
        machines = [{found.record.machine for found in side.of(record)} for side in (before, after)]
        if all(machines) and machines[0] != machines[1]:
            first, second = (", ".join(sorted(side)) for side in machines)
            yield f"{record.kind}: measured on {first} in the first run, on {second} in the second"


def _row(
    metric: str, variant: str, runtime: str | None, before: _Measured | None, after: _Measured | None
) -> dict[str, Any]:
    values = [None if side is None else side.value for side in (before, after)]
    row = change(metric, {"variant": variant, "runtime": runtime}, *values)
    p_value = None if before is None or after is None else _p_value(before, after)
    if p_value is None:
        return row
    fell = row["change"] < 0
    verdict = "no difference" if p_value >= SIGNIFICANCE else "better" if fell is (metric != CORRUPTED) else "worse"
    return {**row, "p_value": p_value, "verdict": verdict}


def _p_value(before: _Measured, after: _Measured) -> float | None:
    """Two-sided, by the normal distribution; `None` where the errors are not known or are none."""
    if before.shares is not None and after.shares is not None and len(before.shares) == len(after.shares):
        difference = after.shares - before.shares
        error = float(difference.std(ddof=1)) / math.sqrt(len(difference)) if len(difference) > 1 else 0.0
        return math.erfc(abs(float(difference.mean())) / error / math.sqrt(2)) if error else 1.0
    if not before.error or not after.error:
        return None
    return math.erfc(abs(after.value - before.value) / math.hypot(before.error, after.error) / math.sqrt(2))


def _latencies(every: Sequence[Found[Latency]]) -> Mapping[tuple[str, str | None], _Measured]:
    """Of the smallest batch, by variant and runtime."""
    found: dict[tuple[str, str | None], _Measured] = {}
    for one in every:
        for reading in sorted(one.record.readings, key=lambda reading: reading.batch):
            error = None
            if reading.low_ms is not None and reading.high_ms is not None and reading.runs > 0:
                error = _MEDIAN * (reading.high_ms - reading.low_ms) / math.sqrt(reading.runs)
            found.setdefault((one.variant, reading.runtime), _Measured(reading.median_ms, error))
    return found


def _energies(every: Sequence[Found[Energy]]) -> Mapping[tuple[str, str | None], _Measured]:
    found: dict[tuple[str, str | None], _Measured] = {}
    for one in every:
        mean, deviation = one.record.energy_j
        found[one.variant, one.record.runtime] = _Measured(mean, deviation / math.sqrt(max(1, one.record.runs)))
    return found


def _corrupted(every: Sequence[Found[Corruptions]]) -> Mapping[tuple[str, str | None], _Measured]:
    """Means over all corruptions; none where there are no readings."""
    found: dict[tuple[str, str | None], _Measured] = {}
    for one in every:
        correct = correct_images(one)
        shares = None if correct is None else correct.mean(axis=0)
        found[one.variant, None] = _Measured(one.record.mean_accuracy, None, shares)
    return found
