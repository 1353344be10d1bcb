"""`requirements`: conditions that variants must meet, checked against what the study measures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import ValidationInfo
from pydantic_core import InitErrorDetails

from brinell.core import ConfigurationError, choices, validation_error, validation_problem
from brinell.core.conditions import Condition
from brinell.core.goals import Goal
from brinell.core.requirements import COSTS, PROBED, parse_requirement
from brinell.probes import Corruptions, Probe
from brinell.runtimes import RUNTIMES
from brinell.study.config.attacks import AttackEntry, TransferEntry
from brinell.study.config.limits import Limit, limit_problem
from brinell.study.config.lineage import baselines
from brinell.study.config.probes import ProbeEntry
from brinell.study.config.variants import VariantEntry


class Measured:
    """What a study measures of each of its variants: the sections that stand before, as they were read."""

    def __init__(self, sections: Mapping[str, Any]) -> None:
        self.variants: Mapping[str, VariantEntry] = sections["variants"]
        self.attacks: Mapping[str, AttackEntry] = sections["attacks"]
        self.transfers: Mapping[str, TransferEntry] = sections["transfers"]
        self.probes: Mapping[str, ProbeEntry] = sections["probes"]
        self.runtime: str = sections.get("runtime", "reference")
        self.baselines = baselines(self.variants)

    def problem(self, condition: Condition) -> str:
        """Why the study can never decide the condition; empty where it can."""
        names = [name for name in self.variants if condition.selects_variant(name)]
        if not names:
            return f"there is no variant {condition.variant!r}; {choices(str(condition.variant), list(self.variants))}"
        compared = [name for name in names if self.baselines[name] != name]
        if condition.signed and not compared:
            return "the number has a sign, so it is a change against a baseline, and none of these variants has one"
        concerned = compared if condition.signed or (condition.variant is None and compared) else names
        sides = [*concerned, *(self.baselines[name] for name in concerned if condition.signed)]
        problems = (self.problem_of(condition, name) for name in dict.fromkeys(sides))
        return next(filter(None, problems), "")

    def problem_of(self, condition: Condition, variant: str) -> str:
        """Why nothing that is measured of one variant decides the condition; empty where something does."""
        if condition.metric in PROBED:
            probe = PROBED[condition.metric]
            entry = self.probes.get(probe)
            if entry is not None and _includes(entry.variants, variant):
                return self._probe_problem(condition, entry.probe)
            return f"nobody measures {condition.metric} of {variant}; it takes probes: {{{probe}: true}}"
        if condition.metric not in ("robust_accuracy", "worst_case"):
            return ""
        found = list(self._points(condition, variant))
        if not found:
            under = "" if condition.attack is None else f" {condition.attack!r}"
            return f"no attack{under} is run on {variant}; attacks: {', '.join(self.attacks) or 'none'}"
        if condition.radius is None and condition.metric == "robust_accuracy":
            return ""
        radii = [(norm, epsilon) for norm, epsilon in found if epsilon is not None]
        if any(condition.selects_radius(norm, epsilon) for norm, epsilon in radii):
            return ""
        read = ", ".join(_radius(*point) for point in sorted(set(radii))) or "none"
        wanted = "a radius" if condition.radius is None else _radius(condition.norm, condition.radius)
        return f"no attack on {variant} is read at {wanted}; radii that are: {read}"

    def _probe_problem(self, condition: Condition, probe: Probe) -> str:
        """Why the probe's answer does not hold what the condition is on."""
        if isinstance(probe, Corruptions):
            if any(map(condition.selects_attack, probe.corruptions)):
                return ""
            return f"no corruption {condition.attack!r}; {choices(str(condition.attack), list(probe.corruptions))}"
        if condition.runtime in (None, self.runtime):
            return ""
        if condition.metric != "latency_ms":
            return f"{condition.metric} is measured in the study's runtime alone, {self.runtime!r}"
        stable = [name for name in RUNTIMES if RUNTIMES[name].stable]
        if condition.runtime not in stable:
            return f"there is no runtime {condition.runtime!r}; {choices(str(condition.runtime), stable)}"
        try:
            RUNTIMES[condition.runtime]().check_installed()
        except ConfigurationError as error:
            return str(error)
        return ""

    def _points(self, condition: Condition, variant: str) -> Iterator[tuple[str, float | None]]:
        """Norm and radius of each reading of the variant that the condition is on."""
        for name, entry in self.attacks.items():
            chosen = condition.metric == "worst_case" or condition.selects_attack(name)
            if chosen and _includes(entry.variants, variant):
                yield from ((entry.attack.distance_norm, point.epsilon) for point in entry.points)
        for transfer in self.transfers.values() if condition.metric == "worst_case" else ():
            if _includes(transfer.targets, variant):
                swept = transfer.attack
                yield from ((swept.attack.distance_norm, point.epsilon) for point in swept.points)


def check_limit(name: str, limit: Limit, sections: Mapping[str, Any]) -> Iterator[InitErrorDetails]:
    """What the study does not measure of the network that a search begins from, and of those it is compared with."""
    if not {"variants", "attacks", "transfers", "probes"} <= set(sections):
        return
    if limit.parent in sections["variants"]:
        measured = Measured(sections)
        for condition in limit.conditions:
            sides = dict.fromkeys([limit.parent, measured.baselines[limit.parent]])
            if message := next(filter(None, (measured.problem_of(condition, side) for side in sides)), ""):
                yield validation_problem(f"{condition.text!r}: {message}", name, "keep")
        for goal in limit.goals:
            if goal.metric in PROBED and (message := measured.problem_of(_as_condition(goal), limit.parent)):
                yield validation_problem(message, name, "minimise")
    yield from _families_out_of_reach(name, limit)
    if message := limit_problem(limit):
        yield validation_problem(message, name)
    if len(seeds := getattr(sections.get("seeds"), "variants", (0,))) > 1:
        yield validation_problem(f"a search takes one of seeds.variants, not {list(seeds)}", name)
    if taken := [label for label in (f"{name}-screen", f"{name}-screen-all") if label in sections["attacks"]]:
        yield validation_problem(f"its attack {taken[0]!r} has the name of one of the study's", name)


def _as_condition(goal: Goal) -> Condition:
    return Condition(goal.text, goal.metric, "<=", 0.0, runtime=goal.runtime)


def _families_out_of_reach(name: str, limit: Limit) -> Iterator[InitErrorDetails]:
    """Families none of whose compressors ever lowers a cost that is minimised, or that a condition has lower."""
    needed = {goal.metric: f"minimise: {goal.text}" for goal in limit.goals}
    lowered = (condition for condition in limit.conditions if condition.metric in COSTS and condition.signed)
    needed |= {condition.metric: repr(condition.text) for condition in lowered if not condition.holds(0.0)}
    for family in limit.families:
        compressors = list(limit.compressors(family))
        kept = frozenset.intersection(*(compressor.never_lowers for compressor in compressors))
        for metric in sorted(kept & set(needed)):
            kinds = ", ".join(dict.fromkeys(compressor.kind for compressor in compressors))
            message = f"{kinds} never lowers {metric}; leave the family out, or change {needed[metric]}"
            yield validation_problem(message, name, "families", family)


def read_requirements(value: Any, info: ValidationInfo) -> tuple[str, ...]:
    """The texts of requirements that the study can decide; a single one needs no list."""
    texts = (value,) if isinstance(value, str) else value
    if not isinstance(texts, (list, tuple)):
        raise validation_error(
            [validation_problem(f"expected a list of conditions such as 'clean_accuracy >= -0.01', not {value!r}")]
        )
    known = {"variants", "attacks", "transfers", "probes"} <= set(info.data)
    problem = Measured(info.data).problem if known else _no_problem
    problems = [refused for place, text in enumerate(texts) for refused in _problems(text, place, problem)]
    if problems:
        raise validation_error(problems)
    return tuple(dict.fromkeys(texts))


def _problems(text: object, place: int, problem: Callable[[Condition], str]) -> Iterator[InitErrorDetails]:
    if not isinstance(text, str):
        yield validation_problem(f"expected a condition such as 'clean_accuracy >= -0.01', not {text!r}", place)
        return
    try:
        condition = parse_requirement(text)
    except ConfigurationError as error:
        yield validation_problem(str(error), place)
        return
    if message := problem(condition):
        yield validation_problem(f"{text!r}: {message}", place)


def _no_problem(condition: Condition) -> str:
    """Where the sections that it refers to are not valid, that is reported instead."""
    return ""


def _includes(names: tuple[str, ...] | None, variant: str) -> bool:
    return names is None or variant in names


def _radius(norm: str, epsilon: float) -> str:
    return f"{255 * epsilon:.6g}/255" if norm == "linf" else f"{epsilon:.6g} {norm}"
