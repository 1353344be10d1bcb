"""What came of the searches of `limits`: each network that was tried, its verdicts, and the cheapest confirmed ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import polars as pl

from brinell.analysis.evaluation import Evaluation
from brinell.analysis.labels import labels
from brinell.analysis.requirements import MET, WORST_FIRST, measured_cost, verdict
from brinell.core import BrinellError, PlannedLimit, TriedVariant
from brinell.core.conditions import Condition
from brinell.core.domination import undominated
from brinell.core.goals import Goal, parse_goal
from brinell.core.requirements import parse_requirement

LIMIT_SCHEMA = {
    "limit": pl.String,
    "family": pl.String,
    "variant": pl.String,
    "baseline": pl.String,
    "numbers": pl.String,
    "goal": pl.String,
    "cost": pl.Float64,
    "ratio": pl.Float64,
    "second_goal": pl.String,
    "second_cost": pl.Float64,
    "second_ratio": pl.Float64,
    "clean_accuracy": pl.Float64,
    "baseline_clean_accuracy": pl.Float64,
    "clean_examples": pl.Int64,
    "attacked_accuracy": pl.Float64,
    "baseline_attacked_accuracy": pl.Float64,
    "attacked_examples": pl.Int64,
    "clean_verdict": pl.String,
    "screening_verdict": pl.String,
    "verdict": pl.String,
    "smallest": pl.Boolean,
    "reason": pl.String,
}
"""One row a network that a search tried. `ratio` is the baseline's cost over the network's. `attacked_accuracy` is
under the screening attack, at the smallest radius of the conditions. `clean_verdict` is on the conditions without an
attack, `screening_verdict` on all of them by the screening attack, `verdict` by everything, null where the network was
not confirmed. `smallest` marks the cheapest of its family that is confirmed; of two goals, each that no other confirmed
one of its family beats in both, and the columns `second_*` are of the second goal."""


def screening_conditions(conditions: Sequence[Condition], screen: str | None) -> list[Condition]:
    """The conditions by the attack called `screen` alone, which stands for all others in robust accuracies."""
    return [
        condition if condition.radius is None else replace(condition, metric="robust_accuracy", attack=screen)
        for condition in conditions
    ]


def judge(evaluation: Evaluation, conditions: Sequence[Condition], variant: str) -> tuple[str, list[dict[str, Any]]]:
    """The worst verdict of the conditions on a variant, and the row of each (`REQUIREMENT_SCHEMA`)."""
    known = evaluation.variants.filter(pl.col("variant") == variant)
    rows = [verdict(evaluation, condition, variant, known["baseline"][0]) for condition in conditions]
    return min((row["verdict"] for row in rows), key=WORST_FIRST.index, default=MET), rows


def limit_results(evaluation: Evaluation) -> pl.DataFrame:
    """`LIMIT_SCHEMA`, in the order in which the networks were tried; a limit that cannot be read is left out."""
    rows: list[dict[str, Any]] = []
    for limit in evaluation.plan.limits:
        try:
            conditions = [parse_requirement(text) for text in limit.keep]
            goals = [parse_goal(text) for text in limit.goals]
        except BrinellError:  # a stranger's plan
            continue
        names = labels(evaluation.plan)
        tried = [one for one in limit.tried if one.variant in names]
        found = [
            {
                **_row(evaluation, limit, one, conditions, names[one.variant]),
                **_costs(evaluation, goals, names[one.variant]),
            }
            for one in tried
        ]
        for family in dict.fromkeys(limit_row["family"] for limit_row in found):
            _mark_smallest([row for row in found if row["family"] == family and row["verdict"] == MET])
        rows += found
    return pl.DataFrame(
        [{name: row.get(name) for name in LIMIT_SCHEMA} for row in rows],
        schema=LIMIT_SCHEMA,
        orient="row",
        infer_schema_length=None,
    )


def _mark_smallest(confirmed: list[dict[str, Any]]) -> None:
    """Mark the rows that no other one beats in every goal."""
    costed = [row for row in confirmed if row["cost"] is not None]
    costs = [[row[name] for name in ("cost", "second_cost") if row.get(name) is not None] for row in costed]
    for place in undominated(costs):
        costed[place]["smallest"] = True


def _costs(evaluation: Evaluation, goals: Sequence[Goal], variant: str) -> dict[str, Any]:
    """What is minimised, and its ratio to the baseline's."""
    baseline = evaluation.variants.filter(pl.col("variant") == variant)["baseline"][0]
    found: dict[str, Any] = {}
    for prefix, goal in zip(("", "second_"), goals, strict=False):
        sides = [measured_cost(evaluation, goal.metric, name, goal.runtime) for name in (variant, baseline)]
        cost, before = (None if side is None else side.value for side in sides)
        found |= {f"{prefix}goal": goal.text, f"{prefix}cost": cost}
        found[f"{prefix}ratio"] = before / cost if before and cost else None
    return found


def _row(
    evaluation: Evaluation, limit: PlannedLimit, one: TriedVariant, conditions: list[Condition], variant: str
) -> dict[str, Any]:
    baseline = evaluation.variants.filter(pl.col("variant") == variant)["baseline"][0]
    screening = screening_conditions(conditions, one.screen)
    clean = [condition for condition in conditions if condition.metric == "clean_accuracy"]
    found, rows = judge(evaluation, screening, variant)
    final = judge(evaluation, conditions, variant) if one.confirmed else None
    attacked = [_attacked(evaluation, screening, name) for name in (variant, baseline)]
    accuracies = dict(evaluation.variants.select("variant", "clean_accuracy").iter_rows())
    examples = dict(evaluation.variants.select("variant", "examples").iter_rows())
    known = evaluation.variants.filter(pl.col("variant") == variant).row(0, named=True)
    lacking = [f"not made: {known['reason']}"] if known["state"] not in ("done", "missing") else []
    failed = [row for row in (rows if final is None else final[1]) if row["verdict"] != MET]
    return {
        "limit": limit.name,
        "family": one.family,
        "variant": variant,
        "baseline": baseline,
        "numbers": ", ".join(f"{name} {value}" for name, value in one.numbers.items()),
        "clean_accuracy": accuracies[variant],
        "baseline_clean_accuracy": accuracies[baseline],
        "clean_examples": examples[variant],
        "attacked_accuracy": attacked[0][0],
        "baseline_attacked_accuracy": attacked[1][0],
        "attacked_examples": attacked[0][1],
        "clean_verdict": judge(evaluation, clean, variant)[0],
        "screening_verdict": found,
        "verdict": None if final is None else final[0],
        "smallest": False,
        "reason": "; ".join(lacking or [f"{row['verdict']}: {row['requirement']}" for row in failed]) or None,
    }


def _attacked(evaluation: Evaluation, screening: Sequence[Condition], variant: str) -> tuple[float | None, int | None]:
    """Accuracy under the screening attack at the smallest radius of the conditions, and the examples it is on."""
    attacked = [condition for condition in screening if condition.radius is not None]
    if not attacked:
        return None, None
    first = min(attacked, key=lambda condition: condition.radius or 0.0)
    frame = evaluation.readings.filter(
        (pl.col("variant") == variant) & (pl.col("crafted_on") == variant) & (pl.col("attack") == first.attack)
    )
    rows = [row for row in frame.iter_rows(named=True) if first.selects_radius(row["norm"], row["epsilon"])]
    return (rows[-1]["robust_accuracy"], rows[-1]["examples"]) if rows else (None, None)
