"""`attacks` and `transfer`: an attack, the values that are swept, and how it is narrowed."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any

from pydantic import (
    Field,
    PlainSerializer,
    ValidationError,
    ValidationInfo,
    field_serializer,
    field_validator,
)
from pydantic_core import InitErrorDetails

from brinell.attacks import ATTACKS, Attack
from brinell.core import Point, choices, parse_fraction, validation_error, validation_problem
from brinell.core.problems import at_location, error_details
from brinell.study.config.section import (
    INLINE,
    Count,
    Section,
    VariantNames,
    known_name,
    optional_field,
    required_field,
)
from brinell.study.config.seeds import SeedList
from brinell.variants import VIEWS

View = Annotated[str, known_name(lambda: VIEWS)]


class SweptAttack(Section):
    """An attack at each combination of the values that are swept."""

    sweep: dict[str, Any] = optional_field({})
    """Values of `epsilon` and `steps` by the field's name."""
    attacks: tuple[Annotated[Attack, ATTACKS], ...] = Field(alias=INLINE)
    """In ascending order of the swept values, those of the first name first."""

    @property
    def attack(self) -> Attack:
        """The attack at its first point."""
        return self.attacks[0]

    @property
    def points(self) -> tuple[Point, ...]:
        """The points that the attack is read at."""
        return tuple(dict.fromkeys(attack.point for attack in self.attacks))

    @field_validator("attacks", mode="wrap")
    @classmethod
    def _sweep(cls, fields: Any, read: Callable[[Any], Any], info: ValidationInfo) -> tuple[Attack, ...]:
        sweep = info.data.get("sweep") or {}
        problems = list(_problems_of_sweep(fields, sweep))
        swept = {name: values for name, values in sweep.items() if isinstance(values, (list, tuple)) and values}
        combinations = itertools.product(*swept.values())
        each = [{**fields, **dict(zip(swept, values, strict=True))} for values in combinations] if swept else [fields]
        try:
            found: tuple[Attack, ...] = read(each)
        except ValidationError as error:
            known = {problem["loc"] for problem in problems if "loc" in problem}
            unknown = {}
            for problem in error_details(error):  # the same one in every combination
                place = problem.get("loc", ())[1:]
                place = ("sweep", *place) if place and place[0] in sweep else place
                if not any(place[: len(other)] == other for other in known):
                    unknown[place, repr(problem["input"])] = at_location(problem, place)
            problems += unknown.values()
        if problems:
            raise validation_error(problems)
        return found

    @field_validator("sweep", mode="before")
    @classmethod
    def _in_ascending_order(cls, sweep: Any) -> Any:
        if sweep is None:
            return {}
        return {name: _ascending(sweep[name]) for name in sweep} if isinstance(sweep, Mapping) else sweep

    @field_serializer("sweep")
    def _write_sweep(self, sweep: dict[str, Any]) -> dict[str, Any]:
        return {name: list(dict.fromkeys(getattr(attack, name) for attack in self.attacks)) for name in sweep}

    @field_serializer("attacks")
    def _write_settings(self, attacks: tuple[Attack, ...]) -> dict[str, Any]:
        return {name: value for name, value in attacks[0].config().items() if name not in self.sweep}


def _ascending(values: Any) -> Any:
    """Numbers in ascending order, each once; what is no list of numbers stays as it is, to be refused."""
    try:
        return sorted({parse_fraction(value) for value in values}) if isinstance(values, (list, tuple)) else values
    except (TypeError, ValueError):
        return values


def _problems_of_sweep(fields: Any, sweep: Mapping[str, Any]) -> Iterator[InitErrorDetails]:
    """What the attack's kind says against the values that are swept, or stand where one value belongs."""
    kind = fields.get("kind") if isinstance(fields, Mapping) else None
    if not isinstance(kind, str) or kind not in ATTACKS:
        return
    sweepable = ATTACKS[kind].sweepable
    for name, values in sweep.items():
        if name not in sweepable:
            yield validation_problem(f"unknown key; {choices(name, sorted(sweepable))}", "sweep", name)
        elif not isinstance(values, (list, tuple)) or not values or bool in map(type, values):
            yield validation_problem(f"expected a list of values, not {values!r}", "sweep", name)
        if name in fields:
            yield validation_problem(f"it is swept too (sweep.{name}: {values}); keep one of the two", name)
    for name in sweepable - sweep.keys():
        if isinstance(fields.get(name), list):
            yield validation_problem(f"a list; swept values stand under {{here}}.sweep.{name}", name)


class AttackEntry(SweptAttack):
    """One attack on variants; `None` leaves the study's own choice."""

    variants: VariantNames = optional_field()
    trace_every: Count | None = optional_field()
    examples: Count | None = optional_field()
    seeds: SeedList | None = optional_field()
    view: View | None = optional_field()
    """The gradient to look at; each variant's natural one where it is `None`."""

    @field_validator("trace_every")
    @classmethod
    def _traceable(cls, trace_every: int | None, info: ValidationInfo) -> int | None:
        attacks = info.data.get("attacks")
        if trace_every is not None and attacks and not attacks[0].traceable:
            raise validation_error([validation_problem(f"{attacks[0].kind} has no steps to trace")])
        return trace_every


AllOrNames = Annotated[VariantNames, PlainSerializer(lambda names: "all" if names is None else list(names))]


class TransferEntry(Section):
    """One attack, crafted on every one of `sources` and judged on every one of `targets`; `None` is all variants."""

    attack: SweptAttack = required_field()
    sources: AllOrNames = None
    targets: AllOrNames = None
    examples: Count | None = optional_field()
    seeds: SeedList | None = optional_field()
    view: View | None = optional_field()
