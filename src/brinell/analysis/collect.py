"""One walk over a run's trials: their rows are read once, a trial at a time, and only what is derived is kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from brinell.analysis.coverage import planned_examples
from brinell.analysis.records.diagnostics import diagnostics
from brinell.analysis.robustness.readings import READING_SCHEMA, readings
from brinell.analysis.robustness.security_curves import Distances, distances
from brinell.analysis.robustness.traces import TRACE_SCHEMA, traces
from brinell.analysis.robustness.worst_case import (
    WORST_SCHEMA,
    NearestErrors,
    TrialErrors,
    combine,
    standing,
    trial_errors,
    worst_case,
)
from brinell.analysis.rows import Read, read_rows, read_traces
from brinell.analysis.significance.paired_tests import PAIR_SCHEMA, compare
from brinell.analysis.significance.pairwise_counts import Outcomes
from brinell.core import PlannedTrial, StudyPlan
from brinell.store import RunStore

CLEAN = "clean"
WORST = "worst case"
"""Stands for an attack's name in comparisons of the worst case per example."""


@dataclass
class CollectedTables:
    """What a walk has gathered so far; frames are without a variant's place in the plan."""

    labels: Mapping[str, str]
    classes: int
    readings: list[pl.DataFrame] = field(default_factory=list)
    pairs: list[pl.DataFrame] = field(default_factory=list)
    outcomes: list[Outcomes] = field(default_factory=list)
    """Of attacks on the network that is judged."""
    computations: list[pl.DataFrame] = field(default_factory=list)
    worst: list[pl.DataFrame] = field(default_factory=list)
    traces: list[pl.DataFrame] = field(default_factory=list)
    distances: list[Distances] = field(default_factory=list)
    """How far the minimum-norm attacks had to go."""
    examples: dict[tuple[str, str], int] = field(default_factory=dict)
    """Examples measured, by (attack, trial key)."""
    problems: list[str] = field(default_factory=list)


def collect_tables(store: RunStore, plan: StudyPlan, labels: Mapping[str, str]) -> CollectedTables:
    """Read every trial of the plan. Baselines come first, so that others can be compared with them on the way."""
    found = CollectedTables(labels, plan.classes)
    baselines = {variant.key: variant.baseline for variant in plan.variants}
    known = [trial for trial in plan.trials if trial.judged_on in baselines and trial.crafted_on in baselines]
    of_baselines: dict[tuple[str, str, int], pl.DataFrame] = {}
    near: dict[str, list[TrialErrors]] = {}
    sums: dict[tuple[str, str], list[pl.DataFrame]] = {}
    for trial in sorted(known, key=lambda trial: baselines[trial.judged_on] != trial.judged_on):
        read = _rows(store, trial, found)
        rows = read.frame
        if rows.is_empty():
            continue
        found.readings.append(_named(readings(rows), trial, labels))
        if trial.kind != CLEAN:
            found.computations.append(diagnostics(read.footers, trial, labels))
            near.setdefault(trial.judged_on, []).append(
                trial_errors(rows, trial.attack, norm_of(trial), planned_examples(trial))
            )
        if trial.judged_on != trial.crafted_on:
            continue
        baseline = baselines[trial.judged_on]
        outcomes = rows.select("example_id", "epsilon", "steps", correct=pl.col("rank") == 0)
        label = labels[trial.judged_on]
        found.outcomes.append(Outcomes.of(outcomes, variant=label, attack=trial.attack, seed=trial.seed))
        if baseline == trial.judged_on:
            of_baselines[trial.attack, baseline, trial.seed] = outcomes
        elif (other := of_baselines.get((trial.attack, baseline, trial.seed))) is not None:
            found.pairs.append(_compared(outcomes, other, trial, labels, baseline))
        if trial.kind != CLEAN:
            found.distances.extend(distances(rows, label, trial.attack, norm_of(trial)))
            _trace(store, trial, found, sums)
    found.traces.extend(_averaged(sums, plan.trials, labels))
    _worst_cases(found, plan, {key: combine(trials) for key, trials in near.items()})
    return found


def norm_of(trial: PlannedTrial) -> str:
    """The norm in which the trial's epsilon is a radius, or its distances are minimised.

    Args:
        trial: Of the plan.

    Returns:
        `l0`, `l1`, `l2` or `linf`.
    """
    return trial.norm or str(trial.spec.get("norm", "linf"))


def concatenate(frames: Iterable[pl.DataFrame], schema: Mapping[str, Any]) -> pl.DataFrame:
    """Frames of one schema on top of each other; of none, an empty one."""
    empty = pl.DataFrame(schema=dict(schema))
    return pl.concat([empty, *(frame.select(empty.columns) for frame in frames)])


def _rows(store: RunStore, trial: PlannedTrial, found: CollectedTables) -> Read:
    read = read_rows(store, trial, found.classes)
    found.problems.extend(read.problems)
    found.examples[trial.attack, trial.key] = read.frame["example_id"].n_unique()
    return read


def _named(frame: pl.DataFrame, trial: PlannedTrial, labels: Mapping[str, str]) -> pl.DataFrame:
    return frame.with_columns(
        variant=pl.lit(labels[trial.judged_on]),
        attack=pl.lit(trial.attack),
        kind=pl.lit(trial.kind),
        crafted_on=pl.lit(labels[trial.crafted_on]),
        norm=pl.lit(norm_of(trial)),
        seed=pl.lit(trial.seed, dtype=pl.Int64),
    ).select(list(READING_SCHEMA))


def _compared(
    outcomes: pl.DataFrame, other: pl.DataFrame, trial: PlannedTrial, labels: Mapping[str, str], baseline: str
) -> pl.DataFrame:
    return _pair(
        compare(outcomes, other, ["epsilon", "steps"]),
        variant=labels[trial.judged_on],
        baseline=labels[baseline],
        attack=trial.attack,
        norm=norm_of(trial),
        seed=trial.seed,
    )


def _pair(
    frame: pl.DataFrame, *, variant: str, baseline: str, attack: str, norm: str, seed: int | None
) -> pl.DataFrame:
    return frame.with_columns(
        variant=pl.lit(variant),
        baseline=pl.lit(baseline),
        attack=pl.lit(attack),
        norm=pl.lit(norm),
        seed=pl.lit(seed, dtype=pl.Int64),
    ).select(list(PAIR_SCHEMA))


def _trace(
    store: RunStore, trial: PlannedTrial, found: CollectedTables, sums: dict[tuple[str, str], list[pl.DataFrame]]
) -> None:
    read = read_traces(store, trial)
    found.problems.extend(read.problems)
    if len(read.frame):
        frame = read.frame.with_columns(seed=pl.lit(trial.seed, dtype=pl.Int64))
        sums.setdefault((trial.judged_on, trial.attack), []).append(frame)


def _averaged(
    sums: Mapping[tuple[str, str], list[pl.DataFrame]], trials: Iterable[PlannedTrial], labels: Mapping[str, str]
) -> list[pl.DataFrame]:
    norms = {trial.attack: norm_of(trial) for trial in trials}
    return [
        traces(pl.concat(frames))
        .with_columns(variant=pl.lit(labels[key]), attack=pl.lit(attack), norm=pl.lit(norms[attack]))
        .select(list(TRACE_SCHEMA))
        for (key, attack), frames in sums.items()
    ]


def _worst_cases(found: CollectedTables, plan: StudyPlan, combined: Mapping[str, NearestErrors]) -> None:
    """Worst cases of every variant at every radius it was read at, and their comparison with the baseline's."""
    attacks = concatenate(found.readings, READING_SCHEMA).filter(
        (pl.col("attack") != CLEAN) & pl.col("epsilon").is_not_null()
    )
    radii = attacks.group_by("variant", "norm", "epsilon", maintain_order=True).agg(
        pl.col("attack").unique(maintain_order=True)
    )
    for variant in plan.variants:
        if variant.key not in combined:
            continue
        label, near = found.labels[variant.key], combined[variant.key]
        points = list(radii.filter(pl.col("variant") == label).sort("norm", "epsilon").drop("variant").iter_rows())
        frame = worst_case(near, points).with_columns(variant=pl.lit(label)).select(list(WORST_SCHEMA))
        found.worst.append(frame)
        if variant.baseline == variant.key or variant.baseline not in combined:
            continue
        for norm, epsilon, _ in points:
            own, base = (standing(each, norm, epsilon) for each in (near, combined[variant.baseline]))
            at = [
                part.with_columns(epsilon=pl.lit(epsilon), steps=pl.lit(None, dtype=pl.Int32)) for part in (own, base)
            ]
            pair = compare(at[0], at[1], ["epsilon", "steps"])
            baseline = found.labels[variant.baseline]
            found.pairs.append(_pair(pair, variant=label, baseline=baseline, attack=WORST, norm=norm, seed=None))
