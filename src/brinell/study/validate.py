"""What must hold between the names of a study's file, beside the references that fields check themselves.

It is checked in the names as they are written, so that it is reported also where something else is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator

from pydantic_core import InitErrorDetails

from brinell.core import validation_problem
from brinell.study.config import DefinedNames


def problems_between_sections(names: DefinedNames) -> list[InitErrorDetails]:
    """Names that are taken, variants in a circle, baselines of baselines, variants that would be random."""
    return [*_taken_names(names), *_circles(names), *_chained_baselines(names), *_random_variants(names)]


def _taken_names(names: DefinedNames) -> Iterator[InitErrorDetails]:
    if "clean" in names.attacks:
        message = "the name is taken by the predictions without an attack; choose another"
        yield validation_problem(message, "attacks", "clean")
    for name in names.transfers:
        if name in ("clean", *names.attacks):
            yield validation_problem("the name is taken by an attack; choose another", "transfer", name)


def _circles(names: DefinedNames) -> Iterator[InitErrorDetails]:
    parents = {name: entry.get("from") for name, entry in names.variants.items()}
    reported: set[str] = set()
    for name in parents:
        line: list[str] = []
        at: str | None = name
        while at is not None and at not in line:
            line.append(at)
            at = parents.get(at)
        if at is not None and not reported & {*line}:
            circle = [*line[line.index(at) :], at]
            reported |= {*circle}
            message = f"variants are made from each other in a circle: {' -> '.join(circle)}"
            yield validation_problem(message, "variants", at, "from")


def _chained_baselines(names: DefinedNames) -> Iterator[InitErrorDetails]:
    """A baseline is compared with no other variant."""
    baselines = {name: entry["baseline"] for name, entry in names.variants.items() if "baseline" in entry}
    for name, baseline in baselines.items():
        other = baselines.get(baseline, baseline)
        if other != baseline:
            message = f"{baseline!r} has a baseline itself: {other!r}; name that one"
            yield validation_problem(message, "variants", name, "baseline")


def _random_variants(names: DefinedNames) -> Iterator[InitErrorDetails]:
    for name, entry in names.variants.items():
        model = entry.get("model", "")
        if not names.models.get(model, True) and "train" not in entry and "from" not in entry:
            message = f"it would be random: give it train, or models.{model}.weights a checkpoint"
            yield validation_problem(message, "variants", name)
