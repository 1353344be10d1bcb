"""The variants of a run: what they are, what they cost, how accurate they are unattacked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from brinell.analysis.collect import CLEAN
from brinell.analysis.coverage import CoverageStatus
from brinell.analysis.records.costs import ALWAYS, COST_SCHEMA, costs, number
from brinell.analysis.rows import first_line
from brinell.analysis.significance.intervals import with_interval
from brinell.analysis.techniques import techniques
from brinell.core import BrinellError, StudyPlan
from brinell.store import RunStore

VARIANT_SCHEMA = {
    "variant": pl.String,
    "key": pl.String,
    "seed": pl.Int64,
    "family": pl.String,
    "technique": pl.String,
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


def variants(
    store: RunStore,
    plan: StudyPlan,
    names: Mapping[str, str],
    states: Mapping[str, CoverageStatus],
    readings: pl.DataFrame,
    problems: list[str],
) -> pl.DataFrame:
    """`VARIANT_SCHEMA`; costs that cannot be read are unknown and named in `problems`."""
    records = {
        variant.key: _costs(store, variant.key, names[variant.key], states[variant.key], problems)
        for variant in plan.variants
    }
    clean = {row["variant"]: row for row in readings.filter(pl.col("kind") == CLEAN).iter_rows(named=True)}
    of_technique = techniques(plan)
    rows = [
        {
            "variant": names[variant.key],
            "key": variant.key,
            "seed": variant.seed,
            "family": variant.family,
            "technique": of_technique[variant.key],
            "architecture": variant.architecture,
            "parent": None if variant.parent is None else names.get(variant.parent),
            "baseline": names.get(variant.baseline, names[variant.key]),
            "state": states[variant.key].state,
            "reason": states[variant.key].reason,
            **_measured(clean.get(names[variant.key], {})),
            **costs(records[variant.key], records.get(variant.baseline)),
        }
        for variant in plan.variants
    ]
    schema = {name: kind for name, kind in VARIANT_SCHEMA.items() if not name.endswith(("_low", "_high"))}
    return with_interval(pl.DataFrame(rows, schema=schema), "clean_accuracy")


def _measured(clean: Mapping[str, Any]) -> dict[str, Any]:
    accuracies = {name: clean.get(name) for name in ("clean_accuracy", "top5_accuracy")}
    return {"examples": clean.get("examples", 0), **accuracies}


def _costs(store: RunStore, key: str, label: str, state: CoverageStatus, problems: list[str]) -> dict[str, Any] | None:
    place = f"variants/{key}/costs.json"
    try:
        found = store.costs(key)
    except BrinellError as error:
        problems.append(f"{label}'s costs are left out: {first_line(store, error)}")
        return None
    if found is None and state.state == "done":
        problems.append(f"{label}'s costs are left out: {place} is missing")
    elif found is not None and (lacks := [name for name in ALWAYS if number(found.get(name)) is None]):
        problems.append(f"{label}'s costs are left out in part: {place} has no number for {', '.join(lacks)}")
    return found
