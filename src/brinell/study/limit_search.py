"""The searches of `limits`: propose, make, screen, decide, and confirm the cheapest networks of each family."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import polars as pl

from brinell.analysis import Evaluation, load
from brinell.analysis.limit_results import judge, screening_conditions
from brinell.analysis.requirements import MET, NOT_MET, UNDECIDED, measured_cost
from brinell.core import BrinellError, ConfigurationError, PlannedLimit, StoreError, StudyPlan
from brinell.core.conditions import Condition
from brinell.core.domination import undominated
from brinell.core.requirements import SHARES
from brinell.limits import Outcome, Search, corners, search_for
from brinell.store import RunStore
from brinell.study.config.limits import Limit
from brinell.study.limit_stages import Stage, Tried
from brinell.study.splits import Splits
from brinell.study.study import Study

Compute = Callable[[Study, StudyPlan], None]
"""Writes a plan to the run's folder, and computes what the folder lacks of it."""
_HOUR = 3600.0


def check_limits(study: Study, splits: Splits) -> None:
    """Refuse what can be refused before anything is computed: settings that do not fit at an end or a choice.

    Raises:
        ConfigurationError: the message names the limit, the family and the values.
    """
    for name, limit in study.limits.items():
        for family in limit.families:
            for values in corners(limit.numbers(family)):
                stage = Stage(study, splits)
                try:
                    stage.add(name, family, values)
                    stage.plan()
                except BrinellError as error:
                    pairs = zip(limit.labels(family), values, strict=True)
                    shown = ", ".join(f"{label} {value}" for label, value in pairs)
                    raise ConfigurationError(f"limits.{name}.families.{family}: at {shown}: {error}") from None
            _searches(limit, family)  # without Optuna, where that is needed, nothing is trained


def search_limits(study: Study, splits: Splits, store: RunStore, compute: Compute) -> StudyPlan:
    """Run every search to its end; returns the plan of all that was made.

    Everything that a search makes is an ordinary variant under its content key, and a search repeats itself: one that
    was killed goes on where it was, and one with a larger budget begins with what the smaller one made.

    Raises:
        ConfigurationError: the network that a search begins from fails a condition itself.
    """
    earlier = _earlier(store)
    stage = Stage(study, splits, seconds={name: limit.seconds or 0.0 for name, limit in earlier.items()})
    _check_baselines(stage, store, compute)
    _compute(stage, compute)
    for name in study.limits:
        known = {(one.family, one.variant) for one in earlier[name].tried} if name in earlier else set()
        _LimitSearch(stage, name, store, compute, known).run()
    return stage.plan()[1]


def _earlier(store: RunStore) -> dict[str, PlannedLimit]:
    """The searches of the run's folder as an earlier call left them."""
    try:
        return {limit.name: limit for limit in store.plan().limits}
    except StoreError:  # a new run
        return {}


def _compute(stage: Stage, compute: Compute) -> None:
    now, planned = stage.plan()
    compute(now, planned)


def _check_baselines(stage: Stage, store: RunStore, compute: Compute) -> None:
    """Make and judge the networks that searches begin from before any other, for conditions on their own values."""
    absolute = {
        name: [c for c in limit.conditions if c.metric in SHARES and not c.signed]
        for name, limit in stage.study.limits.items()
    }
    if not any(absolute.values()):
        return
    compute(*stage.plan_baselines())
    evaluation = load(store)
    for name, conditions in absolute.items():
        limit = stage.study.limits[name]
        screen = None if limit.screen() is None else f"{name}-screen"
        for condition in screening_conditions(conditions, screen):
            found, rows = judge(evaluation, [condition], limit.parent)
            if found == NOT_MET:
                value = f"{rows[0]['value']:.4g}"
                raise ConfigurationError(
                    f"limits.{name}.keep: {condition.text!r}: {limit.parent} fails it itself, with {value}; no smaller "
                    "network can be expected to keep it"
                )


def _searches(limit: Limit, family: str) -> Search:
    return search_for(limit.numbers(family), seed=limit.seed, goals=len(limit.goals))


class _LimitSearch:
    """One search over its families."""

    def __init__(self, stage: Stage, name: str, store: RunStore, compute: Compute, known: set[tuple[str, str]]) -> None:
        self.stage, self.name, self.store, self.compute, self.known = stage, name, store, compute, known
        self.limit = stage.study.limits[name]
        self.searches: dict[str, Search] = {family: _searches(self.limit, family) for family in self.limit.families}
        self.outcomes: dict[tuple[str, str], Outcome] = {}
        """By family and variant."""

    def run(self) -> None:
        """Search until the budget is spent or every search has ended, then confirm."""
        while asked := self._ask():
            fresh = [tried for tried, _ in asked.values() if (tried.family, tried.variant) not in self.outcomes]
            began = time.monotonic()
            repeated = self.limit.budget.hours is not None and all(map(self._is_known, fresh))
            self._screen(fresh)
            if not repeated:
                spent = self.stage.seconds.get(self.name, 0.0) + time.monotonic() - began
                self.stage.seconds[self.name] = spent
            for family, (tried, values) in asked.items():
                self.searches[family].tell(values, self.outcomes[family, tried.variant])
        self._confirm()

    def _ask(self) -> dict[str, tuple[Tried, tuple[object, ...]]]:
        """A proposal of each family whose search goes on, as far as the budget reaches."""
        asked = {}
        for family, search in self.searches.items():
            made = len(self.stage.tried.get(self.name, ()))
            if self.limit.budget.variants is not None and made >= self.limit.budget.variants:
                break
            values = search.ask()
            if values is None:
                continue
            tried = self.stage.add(self.name, family, values)
            if self._out_of_time() and (family, tried.variant) not in self.outcomes and not self._is_known(tried):
                self.stage.withdraw(self.name, tried)
                break
            asked[family] = (tried, values)
        return asked

    def _out_of_time(self) -> bool:
        hours = self.limit.budget.hours
        return hours is not None and self.stage.seconds.get(self.name, 0.0) >= hours * _HOUR

    def _is_known(self, tried: Tried) -> bool:
        """Whether an earlier call made the network already, so that it takes no time."""
        return bool(self.known) and (tried.family, self.stage.key(tried)) in self.known

    def _screen(self, fresh: Sequence[Tried]) -> None:
        """Outcomes of new networks; what so many examples leave undecided is screened on twice as many, up to all."""
        waiting, last = list(fresh), len(self.stage.sizes(self.name)) - 1
        while waiting:
            _compute(self.stage, self.compute)
            evaluation = load(self.store)
            undecided = []
            for tried in waiting:
                verdict, outcome = self._screened(evaluation, tried)
                self.outcomes[tried.family, tried.variant] = outcome
                if verdict == UNDECIDED and tried.level < last:
                    tried.level += 1
                    undecided.append(tried)
            waiting = undecided

    def _screened(self, evaluation: Evaluation, tried: Tried) -> tuple[str, Outcome]:
        costs = [measured_cost(evaluation, goal.metric, tried.variant, goal.runtime) for goal in self.limit.goals]
        made = evaluation.variants.filter(pl.col("variant") == tried.variant)["state"].to_list() == ["done"]
        values = [cost.value for cost in costs if cost is not None]
        if len(values) < len(costs) or not made:
            return NOT_MET, Outcome(None, math.inf)
        conditions = screening_conditions(self.limit.conditions, self.stage.screen_name(self.name, tried))
        verdict, rows = judge(evaluation, conditions, tried.variant)
        return verdict, Outcome(values[0], max(map(_violation, conditions, rows)), *values[1:])

    def _confirm(self) -> None:
        """Judge the cheapest kept networks of each family in full, then the next where one does not stand."""
        candidates = {family: self._kept(family) for family in self.searches}
        stands: list[Tried] = []
        while True:
            chosen = [tried for kept in candidates.values() for tried in self._front(kept) if tried not in stands]
            if not chosen:
                return
            judged = [(tried, self.stage.confirm(self.name, tried)) for tried in chosen]
            _compute(self.stage, self.compute)
            evaluation = load(self.store)
            for tried, full in judged:
                if judge(evaluation, self.limit.conditions, full.variant)[0] == MET:
                    stands.append(tried)
                else:
                    candidates[tried.family].remove(tried)

    def _front(self, kept: Sequence[Tried]) -> list[Tried]:
        """The cheapest of a family: those that no other one beats in every goal."""
        costs = [self.outcomes[tried.family, tried.variant].costs for tried in kept]
        return [kept[place] for place in undominated(costs)]

    def _kept(self, family: str) -> list[Tried]:
        """What screening kept of a family."""
        own = [tried for tried in self.stage.tried.get(self.name, ()) if tried.family == family]
        return [tried for tried in own if self.outcomes[family, tried.variant].kept]


def _violation(condition: Condition, row: Mapping[str, Any]) -> float:
    """By how much the bound that matters is on the wrong side, for costs as a part of the limit; 0 for what is met."""
    if row["verdict"] == MET:
        return 0.0
    if row.get("low") is None:
        return 1.0
    over = condition.limit - row["low"] if condition.from_below else row["high"] - condition.limit
    scale = 1.0 if condition.metric in SHARES else max(1.0, abs(condition.limit))
    return max(1e-9, float(over) / scale)
