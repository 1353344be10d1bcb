"""`Evaluation`: everything that a run's folder says, as tidy frames, and what it does not say yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from brinell.analysis.breaking import breaking_line, breaking_stress
from brinell.analysis.costs import COST_SCHEMA, costs
from brinell.analysis.coverage import COVERAGE_SCHEMA, State, planned_examples, trial_state, variant_states
from brinell.analysis.intervals import with_interval
from brinell.analysis.measure import CLEAN, Measured, measure, stack
from brinell.analysis.names import labels
from brinell.analysis.pairs import PAIR_SCHEMA
from brinell.analysis.readings import READING_SCHEMA
from brinell.analysis.reference import Reference, reference
from brinell.analysis.reruns import reruns
from brinell.analysis.rows import first_line
from brinell.analysis.signs import signs
from brinell.analysis.stress import Stress, stress
from brinell.analysis.traces import TRACE_SCHEMA
from brinell.analysis.worst_case import WORST_SCHEMA
from brinell.core import BrinellError, StudyPlan
from brinell.store import RunStore

VARIANT_SCHEMA = {
    "variant": pl.String,
    "key": pl.String,
    "seed": pl.Int64,
    "family": pl.String,
    "architecture": pl.String,
    "parent": pl.String,
    "baseline": pl.String,
    "state": pl.String,
    "reason": pl.String,
    "examples": pl.Int64,
    "clean_accuracy": pl.Float64,
    "clean_accuracy_low": pl.Float64,
    "clean_accuracy_high": pl.Float64,
    "top5_accuracy": pl.Float64,
    **COST_SCHEMA,
}
"""One row a planned variant; accuracies are of its clean predictions on `examples`."""

BREAKING_SCHEMA = {
    "variant": pl.String,
    "attack": pl.String,
    "quantity": pl.String,
    "held": pl.Float64,
    "line": pl.Float64,
    "strongest": pl.Float64,
    "breaking_stress": pl.Float64,
}
"""One row a variant and an attack whose stress is swept. `breaking_stress` is null where the line was not reached by
the `strongest` stress measured."""


@dataclass(frozen=True)
class Evaluation:
    """Frames in the plan's order; a variant and its source go by their labels, which are unique."""

    plan: StudyPlan
    environment: Mapping[str, Any]
    line: float
    """The breaking line: accuracy of random guessing."""
    variants: pl.DataFrame
    readings: pl.DataFrame
    """`READING_SCHEMA`: each attack on each variant, each seed, each point; the clean ones stand in `variants`."""
    reruns: pl.DataFrame
    """`RERUN_SCHEMA`: readings averaged over seeds."""
    stresses: Mapping[str, Stress]
    """The stress axis of each attack."""
    breaking: pl.DataFrame
    pairs: pl.DataFrame
    """`PAIR_SCHEMA`: each variant and its baseline; attacks include `clean` and `worst case`."""
    worst: pl.DataFrame
    """`WORST_SCHEMA`: the worst case per example at each radius."""
    reference: Reference | None
    """The radius for comparisons in one number."""
    signs: pl.DataFrame
    """`SIGN_SCHEMA`: what speaks against a variant's robustness."""
    traces: pl.DataFrame
    """`TRACE_SCHEMA`: loss and accuracy along the steps."""
    coverage: pl.DataFrame
    """`COVERAGE_SCHEMA`: what is measured and what is missing."""
    problems: tuple[str, ...]
    """What was left out and why, in sentences."""


def load(store: RunStore) -> Evaluation:
    """Read a run, however much of it there is. A file that cannot be read is left out and named in `problems`.

    Raises:
        StoreError: `study.json`, without which nothing else has a meaning, is missing or damaged.
    """
    plan = store.plan()
    names = labels(plan)
    measured = measure(store, plan, names)
    failures = store.failures()
    made = {variant.key for variant in plan.variants if store.has_variant(variant.key)}
    states = variant_states(plan, made, failures, names)
    every = stack(measured.readings, READING_SCHEMA)
    attacked = _planned_order(every.filter(pl.col("kind") != CLEAN), plan, names)
    variants = _variants(store, plan, names, states, every, measured.problems)
    line = breaking_line(plan.classes)
    worst = stack(measured.worst, WORST_SCHEMA)
    averaged = reruns(attacked)
    stresses = {trial.attack: stress(trial.points) for trial in plan.trials if trial.kind != CLEAN}
    return Evaluation(
        plan=plan,
        environment=_environment(store, measured.problems),
        line=line,
        variants=variants,
        readings=attacked,
        reruns=averaged,
        stresses=stresses,
        breaking=_breaking(averaged, stresses, line),
        pairs=stack(measured.pairs, PAIR_SCHEMA),
        worst=worst,
        reference=reference(worst, attacked, variants, line),
        signs=signs(averaged, line),
        traces=stack(measured.traces, TRACE_SCHEMA),
        coverage=_coverage(plan, names, states, measured, failures),
        problems=tuple(dict.fromkeys(measured.problems)),
    )


def _planned_order(readings: pl.DataFrame, plan: StudyPlan, names: Mapping[str, str]) -> pl.DataFrame:
    """Attack by attack, variants in the study's order, strengths ascending."""
    attacks = {name: place for place, name in enumerate(dict.fromkeys(trial.attack for trial in plan.trials))}
    variants = {names[variant.key]: place for place, variant in enumerate(plan.variants)}
    return readings.sort(
        pl.col("attack").replace_strict(attacks, return_dtype=pl.Int64),
        pl.col("variant").replace_strict(variants, return_dtype=pl.Int64),
        pl.col("crafted_on").replace_strict(variants, return_dtype=pl.Int64),
        "epsilon",
        "steps",
        "seed",
    )


def _variants(
    store: RunStore,
    plan: StudyPlan,
    names: Mapping[str, str],
    states: Mapping[str, State],
    readings: pl.DataFrame,
    problems: list[str],
) -> pl.DataFrame:
    records = {variant.key: _costs(store, variant.key, problems) for variant in plan.variants}
    clean = {row["variant"]: row for row in readings.filter(pl.col("kind") == CLEAN).iter_rows(named=True)}
    rows = []
    for variant in plan.variants:
        found = clean.get(names[variant.key], {})
        rows.append(
            {
                "variant": names[variant.key],
                "key": variant.key,
                "seed": variant.seed,
                "family": variant.family,
                "architecture": variant.architecture,
                "parent": None if variant.parent is None else names.get(variant.parent),
                "baseline": names.get(variant.baseline, names[variant.key]),
                "state": states[variant.key].state,
                "reason": states[variant.key].reason,
                "examples": found.get("examples", 0),
                "clean_accuracy": found.get("clean_accuracy"),
                "top5_accuracy": found.get("top5_accuracy"),
                **costs(records[variant.key], records.get(variant.baseline)),
            }
        )
    schema = {name: kind for name, kind in VARIANT_SCHEMA.items() if not name.endswith(("_low", "_high"))}
    return with_interval(pl.DataFrame(rows, schema=schema), "clean_accuracy")


def _costs(store: RunStore, key: str, problems: list[str]) -> dict[str, Any] | None:
    try:
        return store.costs(key)
    except BrinellError as error:
        problems.append(f"A variant's costs are left out: {first_line(store, error)}")
        return None


def _environment(store: RunStore, problems: list[str]) -> dict[str, Any]:
    try:
        return store.environment()
    except BrinellError as error:
        problems.append(f"The environment is left out: {first_line(store, error)}")
        return {}


def _breaking(reruns: pl.DataFrame, stresses: Mapping[str, Stress], line: float) -> pl.DataFrame:
    rows = []
    white_box = reruns.filter(pl.col("crafted_on") == pl.col("variant"))
    for (attack, variant), frame in white_box.group_by("attack", "variant", maintain_order=True):
        axis = stresses[str(attack)]
        curve = axis.select(frame).drop_nulls("stress")
        if curve.is_empty() or not axis.swept:
            continue
        start = [(0.0, curve["clean_accuracy"][0])]
        reached = breaking_stress([*start, *curve.select("stress", "robust_accuracy").iter_rows()], line)
        rows.append((variant, attack, axis.quantity, axis.held, line, curve["stress"].max(), reached))
    return pl.DataFrame(rows, schema=BREAKING_SCHEMA, orient="row")


def _coverage(
    plan: StudyPlan,
    names: Mapping[str, str],
    states: Mapping[str, State],
    measured: Measured,
    failures: Mapping[str, Any],
) -> pl.DataFrame:
    rows = []
    for trial in plan.trials:
        examples = measured.examples.get((trial.attack, trial.key), 0)
        found = trial_state(trial, examples, states, failures, names)
        judged, crafted = (names.get(key, key) for key in (trial.judged_on, trial.crafted_on))
        rows.append(
            (judged, trial.attack, crafted, trial.seed, planned_examples(trial), examples, found.state, found.reason)
        )
    return pl.DataFrame(rows, schema=COVERAGE_SCHEMA, orient="row")
