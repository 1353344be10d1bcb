"""What must hold between the sections of a study's file, beside the references that fields check themselves.

It is checked in the mapping as it is written, so that it is reported also where something else is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic_core import InitErrorDetails

from brinell.core import refusal


def problems_between_sections(config: Mapping[str, Any]) -> list[InitErrorDetails]:
    """Names that are taken, variants in a circle, baselines of baselines, variants that would be random."""
    return [*_taken_names(config), *_circles(config), *_chained_baselines(config), *_random_variants(config)]


def _taken_names(config: Mapping[str, Any]) -> Iterator[InitErrorDetails]:
    attacks, transfers = _section(config, "attacks"), _section(config, "transfer")
    if "clean" in attacks:
        message = "the name is taken by the predictions without an attack; choose another"
        yield refusal(message, "attacks", "clean")
    names = ["transfer"] if "kind" in _section(transfers, "attack") else list(transfers)
    for name in names:
        if name in attacks or name == "clean":
            yield refusal("the name is taken by an attack; choose another", "transfer", name)


def _circles(config: Mapping[str, Any]) -> Iterator[InitErrorDetails]:
    parents = _links(config, "from")
    reported: set[str] = set()
    for name in parents:
        line, at = [name], parents[name]
        while at in parents and at not in line:
            line.append(at)
            at = parents[at]
        if at in line and not reported & {*line}:
            circle = [*line[line.index(at) :], at]
            reported |= {*circle}
            message = f"variants are made from each other in a circle: {' -> '.join(circle)}"
            yield refusal(message, "variants", at, "from")


def _chained_baselines(config: Mapping[str, Any]) -> Iterator[InitErrorDetails]:
    """A baseline is compared with no other variant."""
    baselines = _links(config, "baseline")
    for name, baseline in baselines.items():
        other = baselines.get(baseline, baseline)
        if other != baseline:
            message = f"{baseline!r} has a baseline itself: {other!r}; name that one"
            yield refusal(message, "variants", name, "baseline")


def _random_variants(config: Mapping[str, Any]) -> Iterator[InitErrorDetails]:
    variants, models = _section(config, "variants"), _section(config, "models")
    for name, model in _links(config, "model").items():
        untrained = variants[name].get("train") is None and "from" not in variants[name]
        if untrained and model in models and _section(models, model).get("weights") is None:
            message = f"it would be random: give it train, or models.{model}.weights a checkpoint"
            yield refusal(message, "variants", name)


def _links(config: Mapping[str, Any], key: str) -> dict[str, str]:
    """The names that variants give under `key`, by the variant's name."""
    variants = _section(config, "variants")
    links = {name: _section(variants, name).get(key) for name in variants}
    return {name: link for name, link in links.items() if isinstance(link, str)}


def _section(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A part of the file if it is a mapping, or an empty one."""
    part = config.get(name)
    return part if isinstance(part, Mapping) else {}
