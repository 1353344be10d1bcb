"""The searches of `limits`: propose, make, screen, decide, and confirm the cheapest network of each family."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import polars as pl

from brinell.analysis import Evaluation, load
from brinell.analysis.limit_results import judge, screening_conditions
from brinell.analysis.requirements import MET, NOT_MET, UNDECIDED, measured_cost
from brinell.core import BrinellError, ConfigurationError, StudyPlan
from brinell.core.conditions import Condition
from brinell.core.requirements import SHARES
from brinell.limits import Outcome, Search, search_for
from brinell.store import RunStore
from brinell.study.limit_stages import Stage, Tried
from brinell.study.splits import Splits
from brinell.study.study import Study

Compute = Callable[[Study, StudyPlan], None]
"""Writes a plan to the run's folder, and computes what the folder lacks of it."""


def check_limits(study: Study, splits: Splits) -> None:
    """Refuse what can be refused before anything is computed: settings that do not fit at either end of a range.

    Raises:
        ConfigurationError: the message names the limit, the family and the values.
    """
    for name, limit in study.limits.items():
        for family in limit.families:
            for values in zip(*(number.ends for number in limit.numbers(family)), strict=True):
                stage = Stage(study, splits)
                try:
                    stage.add(name, family, values)
                    stage.plan()
                except BrinellError as error:
                    pairs = zip(limit.labels(family), values, strict=True)
                    shown = ", ".join(f"{label} {value}" for label, value in pairs)
                    raise ConfigurationError(f"limits.{name}.families.{family}: at {shown}: {error}") from None


def search_limits(study: Study, splits: Splits, store: RunStore, compute: Compute) -> StudyPlan:
    """Run every search to its end; returns the plan of all that was made.

    Everything that a search makes is an ordinary variant under its content key, and a search repeats itself: one that
    was killed goes on where it was, and one with a larger budget begins with what the smaller one made.

    Raises:
        ConfigurationError: the network that a search begins from fails a condition itself.
    """
    stage = Stage(study, splits)
    _compute(stage, compute)
    for name in study.limits:
        _check_baseline(stage, name, load(store))
        _Limit(stage, name, store, compute).run()
    return stage.plan()[1]


def _compute(stage: Stage, compute: Compute) -> None:
    now, planned = stage.plan()
    compute(now, planned)


def _check_baseline(stage: Stage, name: str, evaluation: Evaluation) -> None:
    limit = stage.study.limits[name]
    screen = None if limit.screen() is None else f"{name}-screen"
    for condition in screening_conditions(limit.conditions, screen):
        if condition.metric in SHARES and not condition.signed:
            found, rows = judge(evaluation, [condition], limit.parent)
            if found == NOT_MET:
                value = f"{rows[0]['value']:.4g}"
                raise ConfigurationError(
                    f"limits.{name}.keep: {condition.text!r}: {limit.parent} fails it itself, with {value}; no smaller "
                    "network can be expected to keep it"
                )


class _Limit:
    """One search over its families."""

    def __init__(self, stage: Stage, name: str, store: RunStore, compute: Compute) -> None:
        self.stage, self.name, self.store, self.compute = stage, name, store, compute
        self.limit = stage.study.limits[name]
        share = max(2, self.limit.budget.variants // len(self.limit.families))
        self.searches: dict[str, Search] = {
            family: search_for(self.limit.numbers(family), seed=self.limit.seed, budget=share)
            for family in self.limit.families
        }
        self.outcomes: dict[tuple[str, str], Outcome] = {}
        """By family and variant."""

    def run(self) -> None:
        """Search until the budget is spent or every search has ended, then confirm."""
        while asked := self._ask():
            fresh = [tried for tried, _ in asked.values() if (tried.family, tried.variant) not in self.outcomes]
            self._screen(fresh)
            for family, (tried, values) in asked.items():
                self.searches[family].tell(values, self.outcomes[family, tried.variant])
        self._confirm()

    def _ask(self) -> dict[str, tuple[Tried, tuple[object, ...]]]:
        """A proposal of each family whose search goes on, as far as the budget reaches."""
        asked = {}
        for family, search in self.searches.items():
            if len(self.stage.tried.get(self.name, ())) >= self.limit.budget.variants:
                break
            values = search.ask()
            if values is not None:
                asked[family] = (self.stage.add(self.name, family, values), values)
        return asked

    def _screen(self, fresh: Sequence[Tried]) -> None:
        """Outcomes of new networks; what a few examples leave undecided is screened on all."""
        if not fresh:
            return
        _compute(self.stage, self.compute)
        evaluation = load(self.store)
        found = {tried.variant: self._screened(evaluation, tried) for tried in fresh}
        undecided = [tried for tried in fresh if found[tried.variant][0] == UNDECIDED]
        if undecided and self.limit.screen() is not None:
            for tried in undecided:
                tried.on_all = True
            _compute(self.stage, self.compute)
            evaluation = load(self.store)
            found |= {tried.variant: self._screened(evaluation, tried) for tried in undecided}
        for tried in fresh:
            self.outcomes[tried.family, tried.variant] = found[tried.variant][1]

    def _screened(self, evaluation: Evaluation, tried: Tried) -> tuple[str, Outcome]:
        cost = measured_cost(evaluation, self.limit.metric, tried.variant)
        made = evaluation.variants.filter(pl.col("variant") == tried.variant)["state"].to_list() == ["done"]
        if cost is None or not made:
            return NOT_MET, Outcome(None, math.inf)
        conditions = screening_conditions(self.limit.conditions, self.stage.screen_name(self.name, tried))
        verdict, rows = judge(evaluation, conditions, tried.variant)
        return verdict, Outcome(cost.value, max(map(_violation, conditions, rows)))

    def _confirm(self) -> None:
        """Judge the cheapest kept network of each family in full, then the next where it does not stand."""
        left = {family: self._kept(family) for family in self.searches}
        while any(left.values()):
            chosen = [candidates.pop(0) for candidates in left.values() if candidates]
            for tried in chosen:
                tried.confirmed = True
            _compute(self.stage, self.compute)
            evaluation = load(self.store)
            for tried in chosen:
                if judge(evaluation, self.limit.conditions, tried.variant)[0] == MET:
                    left[tried.family] = []

    def _kept(self, family: str) -> list[Tried]:
        """What screening kept of a family, the cheapest first."""
        own = [tried for tried in self.stage.tried.get(self.name, ()) if tried.family == family]
        kept = [tried for tried in own if self.outcomes[family, tried.variant].kept]
        return sorted(kept, key=lambda tried: self.outcomes[family, tried.variant].cost or 0.0)


def _violation(condition: Condition, row: Mapping[str, Any]) -> float:
    """By how much the bound that matters is on the wrong side, for costs as a part of the limit; 0 for what is met."""
    if row["verdict"] == MET:
        return 0.0
    if row.get("low") is None:
        return 1.0
    over = condition.limit - row["low"] if condition.from_below else row["high"] - condition.limit
    scale = 1.0 if condition.metric in SHARES else max(1.0, abs(condition.limit))
    return max(1e-9, float(over) / scale)
