"""What changed between two runs: every reading and cost, with paired tests on the examples they share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import polars as pl

from brinell.analysis.costs import costs, number
from brinell.analysis.coverage import planned_examples
from brinell.analysis.measure import CLEAN, WORST, norm_of
from brinell.analysis.names import labels
from brinell.analysis.pairs import compare
from brinell.analysis.rows import first_line, read_rows
from brinell.analysis.worst_case import combine, nearest, standing
from brinell.core import BrinellError, DataError, PlannedTrial, StudyPlan
from brinell.store import RunStore

COST_METRICS: Final = (
    "encoded_bytes",
    "nominal_bytes",
    "parameters",
    "nonzero",
    "memory_mb",
    "macs",
    "xnor_ops",
    "ncc",
)
METRICS: Final = ("clean_accuracy", "robust_accuracy", "top5_accuracy", "worst_case", *COST_METRICS)

CHANGE_SCHEMA = {
    "metric": pl.String,
    "variant": pl.String,
    "attack": pl.String,
    "norm": pl.String,
    "epsilon": pl.Float64,
    "steps": pl.Int32,
    "seed": pl.Int64,
    "examples": pl.Int64,
    "before": pl.Float64,
    "after": pl.Float64,
    "change": pl.Float64,
    "only_before": pl.Int64,
    "only_after": pl.Int64,
    "p_value": pl.Float64,
    "verdict": pl.String,
    "lacking": pl.String,
}
"""One row a metric of `METRICS` and what it was read at. Accuracies are of the `examples` that both runs measured;
`only_*` count those that one run's network gets right and the other's does not, `p_value` and `verdict` (of the second
run) are McNemar's. Costs have neither. What one run lacks is null; `lacking` says what the second run has not measured
of what it planned, or, of a worst case, of what the first one attacked with."""

_BY = ["epsilon", "steps"]


@dataclass(frozen=True)
class Changes:
    """`frame` in `CHANGE_SCHEMA`; `notes` say what could not be compared, and what was asked differently."""

    frame: pl.DataFrame
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Run:
    """One side: its plan, and its trials by what they are to both."""

    store: RunStore
    plan: StudyPlan
    labels: Mapping[str, str]
    trials: Mapping[tuple[str, str, str, int], PlannedTrial]
    """By (attack, judged on, crafted on, seed)."""
    notes: list[str]

    @classmethod
    def of(cls, store: RunStore, notes: list[str]) -> _Run:
        plan = store.plan()
        names = labels(plan)
        known = [trial for trial in plan.trials if {trial.judged_on, trial.crafted_on} <= set(names)]
        trials = {(t.attack, names[t.judged_on], names[t.crafted_on], t.seed): t for t in known}
        return cls(store, plan, names, trials, notes)

    def rows(self, trial: PlannedTrial | None) -> pl.DataFrame | None:
        if trial is None:
            return None
        read = read_rows(self.store, trial, self.plan.classes)
        self.notes.extend(f"{self.store.root.name}: {problem}" for problem in read.problems)
        return None if read.frame.is_empty() else read.frame

    def costs(self) -> dict[str, dict[str, Any]]:
        found = {}
        for variant in self.plan.variants:
            try:
                own = costs(self.store.costs(variant.key), None)
            except BrinellError as error:
                self.notes.append(f"{self.store.root.name}: {first_line(self.store, error)}")
                own = {}
            found[self.labels[variant.key]] = own
        return found


def changes(before: RunStore, after: RunStore) -> Changes:
    """Compare the run `after` with the run `before`; variants and attacks are the same where their names are.

    Raises:
        DataError: the runs measured different data, so that no example of theirs is the same.
        StoreError: a run's `study.json` is missing or damaged.
    """
    notes: list[str] = []
    old, new = _Run.of(before, notes), _Run.of(after, notes)
    if old.plan.fingerprint != new.plan.fingerprint:
        raise DataError(
            f"{before.root.name} measured {old.plan.dataset} {old.plan.fingerprint[:8]}, {after.root.name} "
            f"{new.plan.dataset} {new.plan.fingerprint[:8]}: only runs on the same data can be compared"
        )
    rows = [*_readings(old, new), *_costs(old.costs(), new.costs())]
    only = [(old, new), (new, old)]
    for one, other in only:
        if missing := [name for name in one.labels.values() if name not in other.labels.values()]:
            notes.append(f"only {one.store.root.name} plans {', '.join(missing)}")
    frame = pl.DataFrame(rows, schema=CHANGE_SCHEMA, orient="row", infer_schema_length=None)
    return Changes(frame, tuple(dict.fromkeys(notes)))


@dataclass
class _Near:
    """What the worst case of one variant is made of."""

    befores: list[pl.DataFrame] = field(default_factory=list)
    afters: list[pl.DataFrame] = field(default_factory=list)
    alone: list[pl.DataFrame] = field(default_factory=list)
    """Of attacks that the second run lacks."""
    radii: set[tuple[str, float]] = field(default_factory=set)
    lacking: list[str] = field(default_factory=list)


def _readings(old: _Run, new: _Run) -> Iterator[dict[str, Any]]:
    """Rows of every trial that either run plans, then the worst cases of the variants."""
    near: dict[str, _Near] = {}
    lacking: dict[tuple[str, str], list[str]] = {}
    for name in dict.fromkeys([*old.trials, *new.trials]):
        trials = old.trials.get(name), new.trials.get(name)
        planned = next(trial for trial in trials if trial is not None)
        attack, variant, source, seed = name
        sides = old.rows(trials[0]), new.rows(trials[1])
        if trials[0] and trials[1] and trials[0].spec != trials[1].spec:
            old.notes.append(f"{attack} has other settings in the second run")
        label = attack if source == variant else f"{attack} from {source}"
        lacks = _lacking(trials[1], sides[1])
        if lacks and sides[1] is not None:
            lacking.setdefault((label, lacks), []).append(variant)
        where = {"variant": variant, "norm": norm_of(planned), "seed": seed, "lacking": lacks}
        where["attack"] = None if planned.kind == CLEAN else label
        yield from _reading(sides, where)
        if planned.kind != CLEAN:
            _gather(near.setdefault(variant, _Near()), sides, label, lacks, norm_of(planned))
    for (label, lacks), variants in lacking.items():
        old.notes.append(f"{new.store.root.name}: {label} of {', '.join(variants)}: {lacks}")
    for variant, found in near.items():
        if found.befores or found.alone:  # else the first run knows of none
            yield from _worst(variant, found)


def _lacking(trial: PlannedTrial | None, rows: pl.DataFrame | None) -> str | None:
    """What a run has not measured of a trial that it plans."""
    if trial is None or rows is None:
        return None
    planned, measured = planned_examples(trial), rows["example_id"].n_unique()
    return f"{measured} of {planned} examples are measured" if measured < planned else None


def _gather(
    found: _Near, sides: tuple[pl.DataFrame | None, pl.DataFrame | None], label: str, lacks: str | None, norm: str
) -> None:
    before, after = sides
    if before is None:
        return
    found.radii.update((norm, epsilon) for epsilon in before["epsilon"].drop_nulls().unique())
    if after is None:
        found.alone.append(nearest(before))
        found.lacking.append(f"{label} is not measured")
        return
    found.befores.append(nearest(before))
    found.afters.append(nearest(after))
    gone = set(before["epsilon"]) - set(after["epsilon"])
    found.lacking += [f"{label}: {lacks}"] * bool(lacks) + [f"{label} is not read at every radius"] * bool(gone)


def _reading(sides: tuple[pl.DataFrame | None, pl.DataFrame | None], where: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every metric at every point that either run read."""
    before, after = sides
    points = [set() if side is None else set(side.select(_BY).unique().iter_rows()) for side in sides]
    for metric, limit in (
        ("clean_accuracy" if where["attack"] is None else "robust_accuracy", 1),
        ("top5_accuracy", 5),
    ):
        if before is not None and after is not None:
            parts = [side.select("example_id", *_BY, correct=pl.col("rank") < limit) for side in (before, after)]
            yield from _compared(metric, parts[0], parts[1], where)
        for epsilon, steps in sorted(points[0] ^ points[1], key=str):
            known = [None if side is None else _share(side, epsilon, steps, limit) for side in sides]
            yield _row(metric, {**where, "epsilon": epsilon, "steps": steps}, *known)


def _share(rows: pl.DataFrame, epsilon: float | None, steps: int, limit: int) -> float | None:
    at = rows.filter(pl.col("epsilon").eq_missing(epsilon) & (pl.col("steps") == steps))
    return None if at.is_empty() else float((at["rank"] < limit).sum()) / len(at)


def _worst(variant: str, found: _Near) -> Iterator[dict[str, Any]]:
    """Over the attacks that both runs measured; where there is none, over the first run's."""
    lacking = "; ".join(dict.fromkeys(found.lacking)) or None
    before = combine(found.befores or found.alone)
    for norm, epsilon in sorted(found.radii):
        where = {"variant": variant, "attack": WORST, "norm": norm, "epsilon": epsilon, "lacking": lacking}
        if not found.afters:
            correct = standing(before, norm, epsilon)["correct"]
            yield _row("worst_case", where, float(correct.sum()) / len(correct) if len(correct) else None, None)
            continue
        parts = [
            standing(side, norm, epsilon).with_columns(epsilon=pl.lit(epsilon), steps=pl.lit(None, dtype=pl.Int32))
            for side in (before, combine(found.afters))
        ]
        yield from _compared("worst_case", parts[0], parts[1], where)


def _compared(
    metric: str, before: pl.DataFrame, after: pl.DataFrame, where: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """One row for each point that both have."""
    shared = after.join(before, on=["example_id", *_BY], how="semi", nulls_equal=True)
    right = dict.fromkeys(_BY)
    for row in compare(after, before, _BY).iter_rows(named=True):
        right = {name: row[name] for name in _BY}
        at = pl.all_horizontal(pl.col(name).eq_missing(value) for name, value in right.items())
        accuracy = float(shared.filter(at)["correct"].sum()) / row["examples"]
        found = _row(metric, {**where, **right}, accuracy - row["difference"], accuracy)
        counts = {"only_before": row["only_baseline"], "only_after": row["only_variant"]}
        yield {**found, **counts, **{name: row[name] for name in ("examples", "p_value", "verdict")}}


def _costs(before: Mapping[str, Mapping[str, Any]], after: Mapping[str, Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    for variant in dict.fromkeys([*before, *after]):
        for metric in COST_METRICS:
            sides = [number(side.get(variant, {}).get(metric)) for side in (before, after)]
            if sides != [None, None]:
                yield _row(metric, {"variant": variant}, *sides)


def _row(metric: str, where: Mapping[str, Any], before: float | None, after: float | None) -> dict[str, Any]:
    change = None if before is None or after is None else after - before
    found = {"metric": metric, **where, "before": before, "after": after, "change": change}
    return {name: found.get(name) for name in CHANGE_SCHEMA}
