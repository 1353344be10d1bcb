"""How variants were made: every epoch of every stage (`training.parquet`), and what compressors noted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from brinell.analysis.rows import conform, first_line
from brinell.core import BrinellError, StudyPlan
from brinell.store import RunStore, read_table

_ON_DISK = {
    "epoch": "int32",
    "stage": "string",
    "loss": "float64",
    "learning_rate": "float64",
    "accuracy": "float64?",
    "seconds": "float64",
}

_FLOATS = [name for name, kind in _ON_DISK.items() if kind.startswith("float64")]

TRAINING_SCHEMA = {
    "variant": pl.String,
    "stage": pl.String,
    "epoch": pl.Int32,
    "total_epoch": pl.Int64,
    "loss": pl.Float64,
    "learning_rate": pl.Float64,
    "accuracy": pl.Float64,
    "seconds": pl.Float64,
}
"""`epoch` counts within a stage, `total_epoch` over all of a variant's; `accuracy` is of the examples held out. What is
not finite is unknown."""


def training(store: RunStore, plan: StudyPlan, labels: Mapping[str, str], problems: list[str]) -> pl.DataFrame:
    """`TRAINING_SCHEMA`, of those variants that were trained here."""
    frames = [pl.DataFrame(schema=TRAINING_SCHEMA)]
    for variant in plan.variants:
        try:
            path = store.variant_file(variant.key, "training.parquet")
            if path is None:
                continue
            found = conform(read_table(path), _ON_DISK)
        except BrinellError as error:
            problems.append(f"{labels[variant.key]}'s training is left out: {first_line(store, error)}")
            continue
        known = [pl.when(pl.col(name).is_finite()).then(pl.col(name)).alias(name) for name in _FLOATS]
        named = found.with_columns(
            *known, variant=pl.lit(labels[variant.key]), total_epoch=pl.int_range(1, pl.len() + 1, dtype=pl.Int64)
        )
        frames.append(named.select(list(TRAINING_SCHEMA)))
    return pl.concat(frames)


def notes(
    store: RunStore, plan: StudyPlan, labels: Mapping[str, str], problems: list[str]
) -> dict[str, tuple[dict[str, Any], ...]]:
    """What the steps that made each variant noted (`figures.json`): `kind` and `figures`, the oldest first."""
    found = {}
    for variant in plan.variants:
        try:
            steps = store.figures(variant.key)
        except BrinellError as error:
            problems.append(f"{labels[variant.key]}'s figures are left out: {first_line(store, error)}")
            continue
        known = [step for step in steps if isinstance(step, dict) and isinstance(step.get("figures"), dict)]
        if any(step["figures"] for step in known):
            found[labels[variant.key]] = tuple(known)
    return found
