"""What changed of a reading, and of a variant's worst case: rows of `CHANGE_SCHEMA`, on what both runs have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from brinell.analysis.collect import WORST
from brinell.analysis.compare.trial_pair import TrialPair
from brinell.analysis.coverage import planned_examples
from brinell.analysis.robustness.worst_case import (
    ROUNDING,
    NearestErrors,
    TrialErrors,
    combine,
    standing,
    trial_errors,
)
from brinell.analysis.significance.paired_tests import compare
from brinell.core import Point

_BY = ["epsilon", "steps"]
_APART = "no example is measured in both runs"


def change(metric: str, where: Mapping[str, Any], before: float | None, after: float | None) -> dict[str, Any]:
    """One row; what is not said is null."""
    grown = None if before is None or after is None else after - before
    return {"metric": metric, **where, "before": before, "after": after, "change": grown}


def reading_changes(sides: TrialPair) -> Iterator[dict[str, Any]]:
    """Every metric at every point that either run plans; what only the second one plans, once it has measured it."""
    attack = None if sides.clean else sides.label
    where = {"variant": sides.variant, "attack": attack, "norm": sides.norm, "seed": sides.seed}
    shared, (first, second) = sides.shared, sides.points
    for metric, limit in (("clean_accuracy" if sides.clean else "robust_accuracy", 1), ("top5_accuracy", 5)):
        left = set(first | second)
        if shared is not None:
            parts = [rows.select("example_id", *_BY, correct=pl.col("rank") < limit) for rows in shared]
            for row in _compared(metric, parts[0], parts[1], {**where, "lacking": sides.lacking}):
                left.discard(Point(row["epsilon"], row["steps"]))
                yield row
        for point in sorted(left, key=str):
            known = [None if rows is None else _share(rows, point, limit) for rows in sides.rows]
            if point in first:
                lacking = sides.lacking or (_APART if point in second else None)
            elif known[1] is None:
                continue
            else:
                lacking = None
            at = {"epsilon": point.epsilon, "steps": point.steps, "lacking": lacking}
            yield change(metric, {**where, **at}, *known)


@dataclass(frozen=True)
class TrialPairDistances:
    """A trial's part in the worst cases: how near its adversarials come in both runs, at the points that both plan."""

    label: str
    norm: str
    points: tuple[frozenset[Point], frozenset[Point]]
    lacking: str | None
    near: tuple[TrialErrors, TrialErrors] | None
    alone: TrialErrors | None
    """All of the first run's."""

    @classmethod
    def of(cls, sides: TrialPair) -> TrialPairDistances:
        """Keeps of the rows only what is nearest."""
        shared, first = sides.shared, sides.rows[0]
        planned = min(planned_examples(plan) for plan in sides.plans if plan is not None)

        def errors(rows: pl.DataFrame) -> TrialErrors:
            return trial_errors(rows, sides.label, sides.norm, planned)

        near = None if shared is None else (errors(shared[0]), errors(shared[1]))
        alone = None if first is None else errors(first)
        return cls(sides.label, sides.norm, sides.points, sides.lacking, near, alone)

    def within(self, norm: str, epsilon: float) -> tuple[frozenset[Point], frozenset[Point]]:
        """What either run plans to read that counts within the radius."""
        reach = epsilon + ROUNDING
        first, second = (
            frozenset(
                point for point in points if point.epsilon is None or (self.norm == norm and point.epsilon <= reach)
            )
            for points in self.points
        )
        return first, second


def worst_case(variant: str, trials: Sequence[TrialPairDistances]) -> Iterator[dict[str, Any]]:
    """At every radius that the first run plans, over what both plan; where they share nothing, over the first run's."""
    radii = {(trial.norm, point.epsilon) for trial in trials for point in trial.points[0] if point.epsilon is not None}
    pairs = [trial.near for trial in trials if trial.near is not None]
    firsts = [first for first, _ in pairs] or [trial.alone for trial in trials if trial.alone is not None]
    before = combine(firsts) if firsts else None
    after = combine([second for _, second in pairs]) if pairs else None
    for norm, epsilon in sorted(radii):
        lacking = _lacking(trials, norm, epsilon)
        where = {"variant": variant, "attack": WORST, "norm": norm, "epsilon": epsilon, "lacking": lacking}
        parts = [_standing(side, norm, epsilon) for side in (before, after)]
        rows = list(_compared("worst_case", parts[0], parts[1], where))
        known = [float(part["correct"].sum()) / len(part) if len(part) else None for part in parts]
        yield from rows or [change("worst_case", {**where, "lacking": lacking or _APART}, *known)]


def _standing(near: NearestErrors | None, norm: str, epsilon: float) -> pl.DataFrame:
    at = {"epsilon": pl.lit(epsilon), "steps": pl.lit(None, dtype=pl.Int32)}
    if near is None:
        return pl.DataFrame(schema={"example_id": pl.Int64, "correct": pl.Boolean}).with_columns(**at)
    return standing(near, norm, epsilon).with_columns(**at)


def _lacking(trials: Sequence[TrialPairDistances], norm: str, epsilon: float) -> str | None:
    """What the second run does not attack with within the radius, and what either has not measured of it."""
    dropped: dict[str, None] = {}  # and not sets: in order
    lacking: dict[str, None] = {}
    kept: set[str] = set()
    for trial in trials:
        first, second = trial.within(norm, epsilon)
        if first - second:
            dropped[trial.label] = None
        elif first and trial.lacking:
            lacking[f"{trial.label}: {trial.lacking}"] = None
        if first & second:
            kept.add(trial.label)
    names = ", ".join(f"some of {label}" if label in kept else label for label in dropped)
    return "; ".join([*([f"in the second run without {names}"] if names else []), *lacking]) or None


def _share(rows: pl.DataFrame, point: Point, limit: int) -> float | None:
    at = rows.filter(pl.col("epsilon").eq_missing(point.epsilon) & (pl.col("steps") == point.steps))
    return None if at.is_empty() else float((at["rank"] < limit).sum()) / len(at)


def _compared(
    metric: str, before: pl.DataFrame, after: pl.DataFrame, where: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """One row for each point at which both have the same examples."""
    shared = after.join(before, on=["example_id", *_BY], how="semi", nulls_equal=True)
    for row in compare(after, before, _BY).iter_rows(named=True):
        point = {name: row[name] for name in _BY}
        at = pl.all_horizontal(pl.col(name).eq_missing(value) for name, value in point.items())
        accuracy = float(shared.filter(at)["correct"].sum()) / row["examples"]
        found = change(metric, {**where, **point}, accuracy - row["difference"], accuracy)
        counts = {"only_before": row["only_baseline"], "only_after": row["only_variant"]}
        yield {**found, **counts, **{name: row[name] for name in ("examples", "p_value", "verdict")}}
