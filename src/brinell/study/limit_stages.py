"""A study with what its searches have made so far: variants, and which of them are screened or confirmed."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from brinell.compressors import COMPRESSORS
from brinell.core import PlannedLimit, StudyPlan, TriedVariant
from brinell.limits import filled
from brinell.study.config import CompressedVariant
from brinell.study.config.limits import Limit
from brinell.study.config.lineage import baselines, parents_first
from brinell.study.plan import plan
from brinell.study.splits import Splits
from brinell.study.study import Study


@dataclass
class Tried:
    """A network that a search asked for."""

    family: str
    variant: str
    numbers: dict[str, Any]
    """By their place in the settings."""
    values: tuple[Any, ...] = ()
    """The same numbers, in the order of the search."""
    level: int = 0
    """Place of its number of screened examples among `Stage.sizes`."""
    confirmed: bool = False
    """Whether it is judged in full."""


@dataclass
class Stage:
    """The study, and the networks of each limit in the order in which they were asked for."""

    study: Study
    splits: Splits
    tried: dict[str, list[Tried]] = field(default_factory=dict)
    made: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Entries of the variants that searches added, by name."""
    names: dict[tuple[str, str], str] = field(default_factory=dict)
    """Names of compressed variants by parent and settings: what two searches share is made once."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Time that each search has taken, where hours limit it."""

    def __post_init__(self) -> None:
        for name, entry in self.study.variants.items():
            if isinstance(entry, CompressedVariant):
                self.names.setdefault((entry.parent, _text(entry)), name)

    def add(self, name: str, family: str, values: tuple[Any, ...]) -> Tried:
        """The network of a family of the limit `name` at these values; the same one again where it is asked again."""
        limit = self.study.limits[name]
        own = self.tried.setdefault(name, [])
        stem = f"{name}-{family}-{1 + sum(tried.family == family for tried in own)}"
        variant = self._chain(limit, family, values, stem, limit.epochs.screen)
        shown = dict(zip(limit.labels(family), values, strict=True))
        for known in own:
            if known.variant == variant and known.family == family:
                return known
        own.append(Tried(family, variant, shown, values))
        return own[-1]

    def withdraw(self, name: str, tried: Tried) -> None:
        """Forget the last network of a limit, which is not made."""
        self.tried[name].remove(tried)
        needed: set[str] = set()
        for other in (other for every in self.tried.values() for other in every):
            variant = other.variant
            while variant in self.made:
                needed.add(variant)
                variant = self.made[variant]["from"]
        dropped = set(self.made) - needed
        self.made = {variant: entry for variant, entry in self.made.items() if variant not in dropped}
        self.names = {key: variant for key, variant in self.names.items() if variant not in dropped}

    def confirm(self, name: str, tried: Tried) -> Tried:
        """What is judged in full for a network that was screened: itself, or the one that is trained in full."""
        limit = self.study.limits[name]
        full = self._chain(limit, tried.family, tried.values, f"{tried.variant}-full", None)
        if full == tried.variant:
            tried.confirmed = True
            return tried
        confirmed = Tried(tried.family, full, tried.numbers, tried.values, tried.level, confirmed=True)
        self.tried[name].append(confirmed)
        return confirmed

    def key(self, tried: Tried) -> str:
        """Content key of a network."""
        return next(variant.key for variant in self.plan()[1].variants if variant.name == tried.variant)

    def plan(self) -> tuple[Study, StudyPlan]:
        """The study as it stands now, and its plan with the searches in it."""
        now = Study.parse(self._config(), name=self.study.name, source=self.study.source)
        planned = plan(now, self.splits)
        keys = {variant.name: variant.key for variant in planned.variants}
        limits = tuple(self._planned(name, limit, keys) for name, limit in self.study.limits.items())
        kept = {"requirements": self.study.requirements, "limits": limits, "config": self.study.config()}
        return now, planned.model_copy(update=kept)

    def plan_baselines(self) -> tuple[Study, StudyPlan]:
        """As `plan`, with no more than decides whether what the searches begin from keeps the conditions itself."""
        config, compared = self._config(), baselines(self.study.variants)
        parents = [limit.parent for limit in self.study.limits.values()]
        needed = {end for parent in parents for end in (parent, compared[parent])}
        line = set(needed)
        for name in reversed(list(parents_first(self.study.variants))):
            if name in line and isinstance(entry := self.study.variants[name], CompressedVariant):
                line.add(entry.parent)
        screens = {label for name in self.study.limits for label in self._screening(name)}
        probes = {kind for limit in self.study.limits.values() for kind in limit.probes()}
        config["variants"] = {name: entry for name, entry in config["variants"].items() if name in line}
        config["attacks"] = {label: entry for label, entry in config["attacks"].items() if label in screens}
        config["probes"] = {
            kind: {**entry, "variants": sorted(needed)} if kind in probes else False
            for kind, entry in config["probes"].items()
        }
        config.pop("transfer", None)
        now = Study.parse(config, name=self.study.name, source=self.study.source)
        return now, plan(now, self.splits)

    def sizes(self, name: str) -> tuple[int, ...]:
        """Numbers of examples that the networks of a limit are screened on: the first, doubled, up to all."""
        screen = self.study.limits[name].screen()
        total, block = len(self.splits.test), self.study.block
        if screen is None:
            return (total,)
        sizes = [min(total, block * math.ceil(screen["examples"] / block))]
        while sizes[-1] < total:
            sizes.append(min(total, 2 * sizes[-1]))
        return tuple(sizes)

    def screen_name(self, name: str, tried: Tried) -> str | None:
        """What the attack is called that screens a network."""
        return None if self.study.limits[name].screen() is None else self._screen_names(name)[tried.level]

    def _screen_names(self, name: str) -> list[str]:
        more = self.sizes(name)[1:]
        ends = [f"-{size}" for size in more[:-1]] + ["-all"] * bool(more)
        return [f"{name}-screen{end}" for end in ("", *ends)]

    def _chain(self, limit: Limit, family: str, values: tuple[Any, ...], stem: str, epochs: int | None) -> str:
        """Name of the last variant of a family's chain at these values, trained for `epochs` at most."""
        places = [number.place for number in limit.numbers(family)]
        chain = filled(list(limit.families[family]), dict(zip(places, values, strict=True)))
        variant = limit.parent
        for step, settings in enumerate(chain, start=1):
            name = stem if step == len(chain) else f"{stem}-step{step}"
            variant = self._variant(variant, settings, name, epochs)
        return variant

    def _variant(self, parent: str, settings: Mapping[str, Any], name: str, epochs: int | None) -> str:
        compressor = COMPRESSORS.parse(settings, name)
        if epochs is not None:
            compressor = COMPRESSORS.parse(_shortened(compressor.config(), epochs), name)
        entry = CompressedVariant.model_construct(parent=parent, compressor=compressor)
        entry = entry.holding_out(self.study.data.train.holdout)
        found = self.names.setdefault((parent, _text(entry)), name)
        if found == name:
            self.made[name] = {"from": parent, "compress": entry.compressor.config()}
        return found

    def _planned(self, name: str, limit: Limit, keys: Mapping[str, str]) -> PlannedLimit:
        return PlannedLimit(
            name=name,
            parent=keys[limit.parent],
            goals=tuple(goal.text for goal in limit.goals),
            keep=limit.keep,
            budget=limit.budget.variants,
            hours=limit.budget.hours,
            seconds=None if limit.budget.hours is None else round(self.seconds.get(name, 0.0), 1),
            tried=tuple(
                TriedVariant(
                    family=tried.family,
                    variant=keys[tried.variant],
                    numbers=tried.numbers,
                    screen=self.screen_name(name, tried),
                    confirmed=tried.confirmed,
                )
                for tried in self.tried.get(name, ())
            ),
        )

    def _config(self) -> dict[str, Any]:
        config = self.study.config()
        for section in ("limits", "requirements"):
            config.pop(section, None)
        own = list(self.study.variants)
        config["variants"] = {**config["variants"], **self.made}
        for entry in config["attacks"].values():
            entry["variants"] = self._with_confirmed(entry.get("variants") or own)
        for entry in config.get("transfer", {}).values():
            for side in ("sources", "targets"):
                entry[side] = own if entry.get(side, "all") == "all" else entry[side]
        for kind, entry in config["probes"].items():
            if entry is not False:
                entry["variants"] = self._probed(kind, self._with_confirmed(entry.get("variants") or own))
        for name in self.study.limits:
            config["attacks"] |= self._screening(name)
        return config

    def _with_confirmed(self, names: list[str]) -> list[str]:
        """With the confirmed networks of every limit whose own parent is among the names."""
        more = [
            tried.variant
            for name, every in self.tried.items()
            for tried in every
            if tried.confirmed and self.study.limits[name].parent in names
        ]
        return list(dict.fromkeys([*names, *more]))

    def _probed(self, kind: str, names: list[str]) -> list[str]:
        """With every network of the limits that a probe decides."""
        limits = [name for name, limit in self.study.limits.items() if kind in limit.probes()]
        return list(dict.fromkeys([*names, *(tried.variant for name in limits for tried in self.tried.get(name, ()))]))

    def _screening(self, name: str) -> dict[str, Any]:
        """The attacks that screen the networks of a limit, and what they are compared with, by name."""
        limit, entries = self.study.limits[name], {}
        screen = limit.screen()
        if screen is None:
            return {}
        compared = list(dict.fromkeys([limit.parent, baselines(self.study.variants)[limit.parent]]))
        for level, (label, examples) in enumerate(zip(self._screen_names(name), self.sizes(name), strict=True)):
            chosen = [tried.variant for tried in self.tried.get(name, ()) if tried.level == level]
            if chosen or level == 0:
                variants = list(dict.fromkeys([*compared, *chosen]))
                entries[label] = {**screen, "examples": examples, "variants": variants}
        return entries


def _shortened(settings: Any, epochs: int) -> Any:
    """Settings of a compressor with no more than so many epochs in any of its trainings."""
    if not isinstance(settings, Mapping):
        return settings
    return {
        name: min(part, epochs) if name.endswith("epochs") and isinstance(part, int) else _shortened(part, epochs)
        for name, part in settings.items()
    }


def _text(entry: CompressedVariant) -> str:
    return json.dumps(entry.compressor.config(), sort_keys=True)
