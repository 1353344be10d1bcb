"""The verdict of each requirement on each variant that it is on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import polars as pl

from brinell.analysis.collect import CLEAN
from brinell.analysis.evaluation import Evaluation
from brinell.analysis.labels import labels
from brinell.analysis.requirements.bounded_value import BoundedValue
from brinell.analysis.requirements.bounded_values import bounded_values
from brinell.core import ConfigurationError
from brinell.core.conditions import Condition
from brinell.core.requirements import CORRUPTED, COSTS, parse_requirement

MET: Final = "met"
NOT_MET: Final = "not met"
UNDECIDED: Final = "undecided"
WORST_FIRST: Final = (NOT_MET, UNDECIDED, MET)
"""A requirement on several readings has the worst of their verdicts."""

REQUIREMENT_SCHEMA = {
    "requirement": pl.String,
    "variant": pl.String,
    "baseline": pl.String,
    "verdict": pl.String,
    "value": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "limit": pl.Float64,
    "attack": pl.String,
    "norm": pl.String,
    "epsilon": pl.Float64,
    "steps": pl.Int32,
    "seed": pl.Int64,
    "examples": pl.Int64,
    "reason": pl.String,
}
"""One row a requirement and variant: the reading that decides, with its one-sided 95 % bounds. `baseline` is null where
the requirement is on the variant's own value; `reason` says why a verdict is undecided whatever the bounds are."""


def decide(condition: Condition, value: BoundedValue) -> str:
    """Met where both bounds hold, not met where neither does, undecided otherwise.

    Args:
        condition: Of `parse_requirement`.
        value: A measured value with the ends of its interval.

    Returns:
        `MET`, `NOT_MET` or `UNDECIDED`.
    """
    held = condition.holds(value.low), condition.holds(value.high)
    return MET if all(held) else UNDECIDED if any(held) else NOT_MET


def requirements(evaluation: Evaluation, texts: Sequence[str] | None = None) -> pl.DataFrame:
    """`REQUIREMENT_SCHEMA`, for those of the study, or for `texts`.

    A requirement without `of` is on the variants that are compared with another one, and on all where there are none;
    networks that a search of `limits` dropped are left out.

    Args:
        evaluation: Of the run.
        texts: Such as `robust_accuracy of pruned >= 40%`.

    Returns:
        One row a requirement and variant.

    Raises:
        ConfigurationError: one of `texts` cannot be read, or is on no variant of the run.
    """
    rows: list[dict[str, Any]] = []
    for text in evaluation.plan.requirements if texts is None else texts:
        try:
            condition = parse_requirement(text, "requirement")
            chosen = _variants(evaluation, condition)
            if not chosen:
                raise ConfigurationError(f"requirement {text!r}: it is on no variant of the run")
        except ConfigurationError as error:
            if texts is not None:
                raise
            rows.append({"requirement": text, "verdict": UNDECIDED, "reason": str(error)})
        else:
            rows += [verdict(evaluation, condition, *pair) for pair in chosen]
    known = [{name: row.get(name) for name in REQUIREMENT_SCHEMA} for row in rows]
    return pl.DataFrame(known, schema=REQUIREMENT_SCHEMA, orient="row", infer_schema_length=None)


def _variants(evaluation: Evaluation, condition: Condition) -> list[tuple[str, str]]:
    """Labels of the variants that the condition is on, each with its baseline's."""
    label = labels(evaluation.plan)
    tried = [tried for limit in evaluation.plan.limits for tried in limit.tried]
    searched = {label.get(one.variant) for one in tried} - {label.get(one.variant) for one in tried if one.confirmed}
    names = {label[variant.key]: variant.name for variant in evaluation.plan.variants}
    every = [pair for pair in evaluation.variants.select("variant", "baseline").iter_rows() if pair[0] not in searched]
    compared = [(variant, baseline) for variant, baseline in every if variant != baseline]
    if condition.variant is None:
        return compared if compared or condition.signed else every
    pool = compared if condition.signed else every
    return [pair for pair in pool if any(map(condition.selects_variant, (names[pair[0]], pair[0])))]


def verdict(evaluation: Evaluation, condition: Condition, variant: str, baseline: str) -> dict[str, Any]:
    """The row of `REQUIREMENT_SCHEMA` of one condition and variant; what is not in it is null.

    Args:
        evaluation: Of the run.
        condition: Of `parse_requirement`.
        variant: Its name.
        baseline: What it is compared with.

    Returns:
        Values by column.
    """
    known = {"requirement": condition.text, "variant": variant, "limit": condition.limit}
    known["baseline"] = baseline if condition.signed else None
    values = bounded_values(evaluation, condition, variant)
    if not values:
        return {**known, "verdict": UNDECIDED, "reason": "not measured"}
    worst = min(values, key=lambda value: (WORST_FIRST.index(decide(condition, value)), _margin(condition, value)))
    found = decide(condition, worst)
    reason = _doubt(evaluation, condition, variant, baseline, found)
    return {**known, **vars(worst), "verdict": UNDECIDED if reason else found, "reason": reason}


def _margin(condition: Condition, value: BoundedValue) -> float:
    """How far the bound that matters is on the right side."""
    return value.low - condition.limit if condition.from_below else condition.limit - value.high


def _doubt(evaluation: Evaluation, condition: Condition, variant: str, baseline: str, verdict: str) -> str | None:
    """Why the bounds do not decide: something is not measured yet, or the gradients may be masked."""
    if condition.metric in (*COSTS, CORRUPTED):
        return None
    sides = [variant, *([baseline] if condition.signed else [])]
    open_trials = evaluation.coverage.filter(
        pl.col("variant").is_in(sides)
        & (pl.col("state") != "done")
        & pl.Series([_concerns(condition, attack) for attack in evaluation.coverage["attack"]], dtype=pl.Boolean)
    )
    if len(open_trials):
        row = open_trials.row(0, named=True)
        return f"{row['attack']} on {row['variant']}: {row['examples']} of {row['planned']} examples are measured"
    attacked = condition.metric != "clean_accuracy"
    if attacked and condition.from_below and verdict == MET and variant in evaluation.suspects:
        return "signs of masked gradients: the attacks may have been too weak"
    return None


def _concerns(condition: Condition, attack: str) -> bool:
    if condition.metric == "clean_accuracy":
        return attack == CLEAN
    if condition.metric == "worst_case":
        return attack != CLEAN
    return attack != CLEAN and condition.selects_attack(attack)
