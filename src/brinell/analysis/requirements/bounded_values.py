"""What a run measured of the metric of a condition: each value with its one-sided 95 % bounds."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import polars as pl

from brinell.analysis.collect import CLEAN, WORST
from brinell.analysis.evaluation import Evaluation
from brinell.analysis.records.probes import Energy, Latency
from brinell.analysis.requirements.bounded_value import BoundedValue
from brinell.analysis.requirements.corruption_accuracy import corruption_accuracy
from brinell.analysis.significance.bounds import Z, difference_bounds, share_bounds
from brinell.core.conditions import Condition
from brinell.core.requirements import CORRUPTED, COSTS, COUNTED


def bounded_values(evaluation: Evaluation, condition: Condition, variant: str) -> list[BoundedValue]:
    """Every value of the variant that the condition is on; none where nothing of it is measured.

    With a signed condition the values are changes against the variant's baseline, on the same examples.
    """
    if condition.metric in COSTS:
        own, base = (
            measured_cost(evaluation, condition.metric, name, condition.runtime)
            for name in (variant, _baseline(evaluation, variant))
        )
        return _changed(own, base, condition)
    if condition.metric == CORRUPTED:
        return corruption_accuracy(evaluation, condition, variant, _baseline(evaluation, variant))
    measured = _differences if condition.signed else _shares
    return list(measured(evaluation, condition, variant))


def measured_cost(evaluation: Evaluation, metric: str, variant: str, runtime: str | None = None) -> BoundedValue | None:
    """A metric that is counted, or measured in `runtime` (the study's, if `None`); `None` where it is not known.

    Args:
        evaluation: Of the run.
        metric: Such as `encoded_bytes` or `latency_ms`.
        variant: Its name.
        runtime: Kind of the runtime.

    Returns:
        A value, and the ends of its interval where it has one.
    """
    if metric in COUNTED:
        return _counted(evaluation, metric, variant)
    runtime = runtime or evaluation.plan.config.get("runtime", "reference")
    return (_latency if metric == "latency_ms" else _energy)(evaluation, variant, runtime)


def _baseline(evaluation: Evaluation, variant: str) -> str:
    return str(evaluation.variants.filter(pl.col("variant") == variant)["baseline"][0])


def _shares(evaluation: Evaluation, condition: Condition, variant: str) -> Iterator[BoundedValue]:
    if condition.metric == "clean_accuracy":
        frame = evaluation.variants.filter(pl.col("variant") == variant)
        frame = frame.with_columns(correct=(pl.col("clean_accuracy") * pl.col("examples")).round())
    elif condition.metric == "worst_case":
        frame = evaluation.worst.filter(pl.col("variant") == variant).with_columns(attack=pl.lit(WORST))
    else:
        own = (pl.col("variant") == variant) & (pl.col("crafted_on") == variant)
        frame = evaluation.readings.filter(own)
    for row in frame.iter_rows(named=True):
        if row["examples"] and row["correct"] is not None and _selected(condition, row):
            correct, examples = int(row["correct"]), int(row["examples"])
            yield BoundedValue(correct / examples, *share_bounds(correct, examples), examples, **_where(row))


def _differences(evaluation: Evaluation, condition: Condition, variant: str) -> Iterator[BoundedValue]:
    attack = {"clean_accuracy": pl.col("attack") == CLEAN, "worst_case": pl.col("attack") == WORST}.get(
        condition.metric, ~pl.col("attack").is_in([CLEAN, WORST])
    )
    for row in evaluation.pairs.filter((pl.col("variant") == variant) & attack).iter_rows(named=True):
        if row["examples"] and _selected(condition, row):
            bounds = difference_bounds(row["only_variant"], row["only_baseline"], row["examples"])
            yield BoundedValue(row["difference"], *bounds, row["examples"], **_where(row))


def _selected(condition: Condition, row: dict[str, Any]) -> bool:
    attack = row.get("attack") or CLEAN
    if condition.metric == "robust_accuracy" and not condition.selects_attack(attack):
        return False
    return condition.selects_radius(row.get("norm") or "", row.get("epsilon"))


def _where(row: dict[str, Any]) -> dict[str, Any]:
    if row.get("attack") in (None, CLEAN):
        return {}
    return {name: row.get(name) for name in ("attack", "norm", "epsilon", "steps", "seed")}


def _counted(evaluation: Evaluation, metric: str, variant: str) -> BoundedValue | None:
    value = evaluation.variants.filter(pl.col("variant") == variant)[metric].first()
    return None if value is None else BoundedValue(float(value), float(value), float(value))  # type: ignore[arg-type]


def _energy(evaluation: Evaluation, variant: str, runtime: str) -> BoundedValue | None:
    energies = [found.record for found in evaluation.probes.of(Energy) if found.variant == variant]
    energies = [record for record in energies if record.runtime == runtime]
    if not energies:
        return None
    mean, deviation = energies[0].energy_j
    width = Z * deviation / math.sqrt(max(1, energies[0].runs))
    return BoundedValue(mean, mean - width, mean + width)


def _latency(evaluation: Evaluation, variant: str, runtime: str) -> BoundedValue | None:
    """The smallest batch; the bounds are the quartiles of the probe's runs."""
    readings = [
        reading
        for found in evaluation.probes.of(Latency)
        if found.variant == variant
        for reading in found.record.readings
        if reading.runtime == runtime
    ]
    if not readings:
        return None
    first = min(readings, key=lambda reading: reading.batch)
    low, high = (first.median_ms if bound is None else bound for bound in (first.low_ms, first.high_ms))
    return BoundedValue(first.median_ms, low, high)


def _changed(own: BoundedValue | None, base: BoundedValue | None, condition: Condition) -> list[BoundedValue]:
    if own is None or not condition.signed:
        return [] if own is None else [own]
    if base is None:
        return []
    if not condition.percent:
        return [BoundedValue(own.value - base.value, own.low - base.high, own.high - base.low)]
    if min(base.low, base.value) <= 0:
        return []
    value, low, high = own.value / base.value, own.low / base.high, own.high / base.low
    return [BoundedValue(100 * (value - 1), 100 * (low - 1), 100 * (high - 1))]
