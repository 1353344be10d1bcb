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
from brinell.study.config.lineage import baselines
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
    on_all: bool = False
    """Whether it is screened on all examples."""
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

    def __post_init__(self) -> None:
        for name, entry in self.study.variants.items():
            if isinstance(entry, CompressedVariant):
                self.names.setdefault((entry.parent, _text(entry)), name)

    def add(self, name: str, family: str, values: tuple[Any, ...]) -> Tried:
        """The network of a family of the limit `name` at these values; the same one again where it is asked again."""
        limit = self.study.limits[name]
        numbers = limit.numbers(family)
        chain = filled(
            list(limit.families[family]), dict(zip([number.place for number in numbers], values, strict=True))
        )
        own = self.tried.setdefault(name, [])
        stem = f"{name}-{family}-{1 + sum(tried.family == family for tried in own)}"
        variant = limit.parent
        for step, settings in enumerate(chain, start=1):
            last = step == len(chain)
            variant = self._variant(variant, settings, stem if last else f"{stem}-step{step}")
        shown = dict(zip(limit.labels(family), values, strict=True))
        for known in own:
            if known.variant == variant and known.family == family:
                return known
        own.append(Tried(family, variant, shown))
        return own[-1]

    def plan(self) -> tuple[Study, StudyPlan]:
        """The study as it stands now, and its plan with the searches in it."""
        now = Study.parse(self._config(), name=self.study.name, source=self.study.source)
        planned = plan(now, self.splits)
        keys = {variant.name: variant.key for variant in planned.variants}
        limits = tuple(self._planned(name, limit, keys) for name, limit in self.study.limits.items())
        kept = {"requirements": self.study.requirements, "limits": limits, "config": self.study.config()}
        return now, planned.model_copy(update=kept)

    def screen_name(self, name: str, tried: Tried) -> str | None:
        """What the attack is called that screens a network."""
        if self.study.limits[name].screen() is None:
            return None
        return f"{name}-screen-all" if tried.on_all else f"{name}-screen"

    def _variant(self, parent: str, settings: Mapping[str, Any], name: str) -> str:
        entry = CompressedVariant.model_construct(parent=parent, compressor=COMPRESSORS.parse(settings, name))
        entry = entry.holding_out(self.study.data.train.holdout)
        found = self.names.setdefault((parent, _text(entry)), name)
        if found == name:
            self.made[name] = {"from": parent, "compress": entry.compressor.config()}
        return found

    def _planned(self, name: str, limit: Limit, keys: Mapping[str, str]) -> PlannedLimit:
        return PlannedLimit(
            name=name,
            parent=keys[limit.parent],
            metric=limit.metric,
            keep=limit.keep,
            budget=limit.budget.variants,
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
        total, block = len(self.splits.test), self.study.block
        few = min(total, block * math.ceil(screen["examples"] / block))
        compared = list(dict.fromkeys([limit.parent, baselines(self.study.variants)[limit.parent]]))
        for label, on_all, examples in ((f"{name}-screen", False, few), (f"{name}-screen-all", True, total)):
            chosen = [tried.variant for tried in self.tried.get(name, ()) if tried.on_all == on_all]
            if chosen or not on_all:
                variants = list(dict.fromkeys([*compared, *chosen]))
                entries[label] = {**screen, "examples": examples, "variants": variants}
        return entries


def _text(entry: CompressedVariant) -> str:
    return json.dumps(entry.compressor.config(), sort_keys=True)
