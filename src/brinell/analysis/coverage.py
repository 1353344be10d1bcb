"""Coverage: what is measured, what is missing, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from brinell.core import PlannedTrial, StudyPlan
from brinell.store import Failure

COVERAGE_SCHEMA = {
    "variant": pl.String,
    "attack": pl.String,
    "crafted_on": pl.String,
    "seed": pl.Int64,
    "planned": pl.Int64,
    "examples": pl.Int64,
    "state": pl.String,
    "reason": pl.String,
}
"""One row is one planned trial: examples planned and measured, and its `CoverageStatus`."""


@dataclass(frozen=True)
class CoverageStatus:
    """`done`, `partial` (some examples), `missing`, `failed`, `unsupported` or `blocked`; and why, where known."""

    state: str
    reason: str = ""


def variant_states(
    plan: StudyPlan, made: set[str], failures: Mapping[str, Failure], labels: Mapping[str, str]
) -> dict[str, CoverageStatus]:
    """State by key; a variant is blocked where the one that it is made from cannot be made."""
    records = {variant.key: variant for variant in plan.variants}
    states: dict[str, CoverageStatus] = {}

    def settle(key: str, below: frozenset[str]) -> CoverageStatus:
        if key in states:
            return states[key]
        failure, parent = failure_of(key, failures), records[key].parent
        if key in made:
            found = CoverageStatus("done")
        elif failure is not None:
            found = _failed(failure)
        elif parent in records and parent not in below and _hopeless(settle(parent, below | {key})):
            found = CoverageStatus("blocked", f"waits for {labels[parent]}")
        else:
            found = CoverageStatus("missing", "not made yet")
        states[key] = found
        return found

    for key in records:
        settle(key, frozenset({key}))
    return states


def coverage(
    plan: StudyPlan,
    names: Mapping[str, str],
    states: Mapping[str, CoverageStatus],
    examples: Mapping[tuple[str, str], int],
    failures: Mapping[str, Failure],
) -> pl.DataFrame:
    """`COVERAGE_SCHEMA`; `examples` are those measured, by (attack, trial key)."""
    rows = []
    for trial in plan.trials:
        measured = examples.get((trial.attack, trial.key), 0)
        found = trial_state(trial, measured, states, failures, names)
        judged, crafted = (names.get(key, key) for key in (trial.judged_on, trial.crafted_on))
        planned = planned_examples(trial)
        rows.append((judged, trial.attack, crafted, trial.seed, planned, measured, found.state, found.reason))
    return pl.DataFrame(rows, schema=COVERAGE_SCHEMA, orient="row")


def trial_state(
    trial: PlannedTrial,
    examples: int,
    variants: Mapping[str, CoverageStatus],
    failures: Mapping[str, Failure],
    labels: Mapping[str, str],
) -> CoverageStatus:
    """State of a trial of which `examples` are measured."""
    planned = planned_examples(trial)
    failure = failure_of(trial.key, failures)
    if examples >= planned:
        return CoverageStatus("done")
    if failure is not None:
        return _failed(failure)
    for key in (trial.judged_on, trial.crafted_on):
        if key in variants and _hopeless(variants[key]):
            return CoverageStatus("blocked", f"waits for {labels[key]}")
    return (
        CoverageStatus("partial", f"{planned - examples} examples to go")
        if examples
        else CoverageStatus("missing", "not run yet")
    )


def planned_examples(trial: PlannedTrial) -> int:
    """How many examples the plan gives a trial."""
    return sum(block.stop - block.start for block in trial.blocks)


def failure_of(key: str, failures: Mapping[str, Failure]) -> Failure | None:
    """The failure of a task that makes what has this key (a task's name holds the key of its variant or trial)."""
    return next((failure for task, failure in failures.items() if key in task), None)


def failure_status(failure: Failure | None) -> CoverageStatus | None:
    """The state of a task that failed."""
    return None if failure is None else _failed(failure)


def _failed(failure: Failure) -> CoverageStatus:
    reason = failure.message.strip().splitlines()
    return CoverageStatus(
        "unsupported" if failure.unsupported else "failed", reason[0] if reason else "no reason was kept"
    )


def _hopeless(state: CoverageStatus) -> bool:
    return state.state in {"failed", "unsupported", "blocked"}
