"""Compression techniques: what variants of several networks have in common, and how they fare under each attack."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from brinell.core import PlannedVariant, StudyPlan

UNCOMPRESSED = "uncompressed"

_UNTOLD = ("kind", "revision", "train", "student")

BOX_SCHEMA = {
    "attack": pl.String,
    "technique": pl.String,
    "low": pl.Float64,
    "first_quartile": pl.Float64,
    "median": pl.Float64,
    "third_quartile": pl.Float64,
    "high": pl.Float64,
    "readings": pl.Int64,
    "variants": pl.Int64,
}
"""The distribution of the accuracies that a technique is left with under an attack, over all strengths, steps and
networks (BreakingBED, figure 4). Quartiles are interpolated linearly."""


def techniques(plan: StudyPlan) -> dict[str, str]:
    """Technique by variant key: the compressor's kind, with the settings that tell its uses here apart.

    Training, a distilled student's architecture and seeds are not told apart: they are how and on what a technique is
    carried out.
    """
    settings = {variant.key: dict(_flat(variant.settings)) for variant in plan.variants}
    families: dict[str, list[Mapping[str, Any]]] = {}
    for variant in plan.variants:
        families.setdefault(variant.family, []).append(settings[variant.key])
    telling = {family: _telling(uses) for family, uses in families.items()}
    found = {}
    for variant in plan.variants:
        told = [(name, value) for name, value in settings[variant.key].items() if name in telling[variant.family]]
        found[variant.key] = _name(variant, [_said(name, value) for name, value in told])
    return found


def _telling(uses: Sequence[Mapping[str, Any]]) -> list[str]:
    """The settings that tell uses apart; of numbers only those that tell more than the settings before them."""
    found: list[str] = []
    for name in dict.fromkeys(name for use in uses for name in use):
        word = any(isinstance(use.get(name), str) for use in uses)
        if _told_apart(uses, [name]) > 1 and (word or _told_apart(uses, [*found, name]) > _told_apart(uses, found)):
            found.append(name)
    return found


def _told_apart(uses: Sequence[Mapping[str, Any]], names: Sequence[str]) -> int:
    """How many uses these settings tell apart, by what will be said of them."""
    return len({tuple(_said(name, use[name]) for name in names if name in use) for use in uses})


def boxes(reruns: pl.DataFrame, variants: pl.DataFrame) -> pl.DataFrame:
    """Five numbers for each attack and technique: `BOX_SCHEMA`."""
    white_box = reruns.filter(pl.col("crafted_on") == pl.col("variant"))
    joined = white_box.join(variants.select("variant", "technique"), on="variant", maintain_order="left")
    share = pl.col("robust_accuracy")
    return (
        joined.drop_nulls("robust_accuracy")
        .group_by("attack", "technique", maintain_order=True)
        .agg(
            low=share.min(),
            first_quartile=share.quantile(0.25, "linear"),
            median=share.median(),
            third_quartile=share.quantile(0.75, "linear"),
            high=share.max(),
            readings=pl.len(),
            variants=pl.col("variant").n_unique(),
        )
        .select(pl.col(name).cast(kind) for name, kind in BOX_SCHEMA.items())
    )


def _name(variant: PlannedVariant, telling: list[str]) -> str:
    if variant.parent is None:
        return UNCOMPRESSED
    return " ".join([variant.family, *telling])


def _flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Settings by dotted name; of a nested spec only what it is, or one choice would be told by a dozen settings."""
    for name, value in settings.items():
        if name in _UNTOLD and not prefix:
            continue
        if isinstance(value, Mapping) and "kind" not in value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value["kind"] if isinstance(value, Mapping) else value


def _said(name: str, value: object) -> str:
    """A setting in short: a word says itself, a number needs its name, and of a switch only the name is said."""
    if isinstance(value, str):
        return value
    last = name.rsplit(".", 1)[-1]
    if value is None or isinstance(value, bool):
        return last if value else f"no {last}"
    return f"{last} {value:.6g}" if isinstance(value, float) else f"{last} {value}"
