"""What changed between two runs: every reading and cost, with paired tests on the examples they share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from brinell.analysis.compare.change_rows import TrialPairDistances, change, reading_changes, worst_case
from brinell.analysis.compare.probe_changes import PROBE_METRICS, machine_notes, probe_changes
from brinell.analysis.compare.trial_pair import TrialPair
from brinell.analysis.labels import labels
from brinell.analysis.records.costs import costs, number
from brinell.analysis.records.probes import Probes, probes
from brinell.analysis.rows import first_line, read_rows
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
METRICS: Final = ("clean_accuracy", "robust_accuracy", "top5_accuracy", "worst_case", *COST_METRICS, *PROBE_METRICS)

CHANGE_SCHEMA = {
    "metric": pl.String,
    "variant": pl.String,
    "attack": pl.String,
    "norm": pl.String,
    "epsilon": pl.Float64,
    "steps": pl.Int32,
    "seed": pl.Int64,
    "runtime": pl.String,
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
run) are McNemar's; of what probes measure those of `probe_changes`. Counted costs have neither. What one run lacks is
null; `lacking` says what the runs have not measured of what they planned, and, of a worst case, what the second one
does not attack with any more."""


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

    def probes(self) -> Probes:
        problems: list[str] = []
        found = probes(self.store, self.plan, self.labels, problems)
        self.notes.extend(f"{self.store.root.name}: {problem}" for problem in problems)
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
    probed = old.probes(), new.probes()
    rows = [*_readings(old, new), *_costs(old.costs(), new.costs()), *probe_changes(*probed)]
    notes += machine_notes(*probed)
    only = [(old, new), (new, old)]
    for one, other in only:
        if missing := [name for name in one.labels.values() if name not in other.labels.values()]:
            notes.append(f"only {one.store.root.name} plans {', '.join(missing)}")
    known = [{name: row.get(name) for name in CHANGE_SCHEMA} for row in rows]
    frame = pl.DataFrame(known, schema=CHANGE_SCHEMA, orient="row", infer_schema_length=None)
    return Changes(frame, tuple(dict.fromkeys(notes)))


def _readings(old: _Run, new: _Run) -> Iterator[dict[str, Any]]:
    """Rows of every trial that either run plans, then the worst cases of the variants."""
    attacked: dict[str, list[TrialPairDistances]] = {}
    lacking: dict[tuple[str, str], list[str]] = {}
    for name in dict.fromkeys([*old.trials, *new.trials]):
        sides = _sides(name, old, new)
        yield from reading_changes(sides)
        if sides.lacking and sides.plans[0] is not None:
            lacking.setdefault((sides.label, sides.lacking), []).append(sides.variant)
        if not sides.clean:
            attacked.setdefault(sides.variant, []).append(TrialPairDistances.of(sides))
    for (label, lacks), variants in lacking.items():
        old.notes.append(f"{label} of {', '.join(dict.fromkeys(variants))}: {lacks}")
    for variant, trials in attacked.items():
        yield from worst_case(variant, trials)


def _sides(name: tuple[str, str, str, int], old: _Run, new: _Run) -> TrialPair:
    attack, variant, source, seed = name
    plans = old.trials.get(name), new.trials.get(name)
    if plans[0] and plans[1] and plans[0].spec != plans[1].spec:
        old.notes.append(f"{attack} has other settings in the second run")
    label = attack if source == variant else f"{attack} from {source}"
    pair = TrialPair(label, variant, seed, plans, (old.rows(plans[0]), new.rows(plans[1])))
    if plans[0] and plans[1] and plans[0].runtime != plans[1].runtime:
        old.notes.append(_two_runtimes(pair, plans[0].runtime, plans[1].runtime))
    return pair


def _two_runtimes(pair: TrialPair, first: str, second: str) -> str:
    """How often two runtimes predict different classes for the same images."""
    note = f"{pair.label} of {pair.variant}: judged by {first} in the first run, by {second} in the second"
    before, after = pair.rows
    if not pair.clean or before is None or after is None:
        return note
    both = before.join(after, on="example_id", suffix="_after")
    differing = int((both["prediction"] != both["prediction_after"]).sum())
    return f"{note}; their predictions differ on {differing} of {len(both)} images"


def _costs(before: Mapping[str, Mapping[str, Any]], after: Mapping[str, Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    for variant in dict.fromkeys([*before, *after]):
        for metric in COST_METRICS:
            sides = [number(side.get(variant, {}).get(metric)) for side in (before, after)]
            if sides != [None, None]:
                yield change(metric, {"variant": variant}, *sides)
