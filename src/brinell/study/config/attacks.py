"""`attacks` and `transfer`: an attack, the values that are swept, and how it is narrowed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Self

from pydantic import (
    Field,
    ModelWrapValidatorHandler,
    PlainSerializer,
    TypeAdapter,
    ValidationError,
    field_serializer,
    model_validator,
)
from pydantic_core import InitErrorDetails

from brinell.attacks import ATTACKS, Attack
from brinell.core import Point, choices, refusal, refuse
from brinell.core.problems import moved, problems_of
from brinell.study.config.section import INLINE, Count, Section, VariantNames, choice, omitted, required
from brinell.study.config.seeds import SeedList
from brinell.variants import VIEWS

View = Annotated[str, choice(lambda: VIEWS)]


class SweptAttack(Section):
    """An attack at its first point, and the values it is read at beside that."""

    attack: Annotated[Attack, ATTACKS] = Field(alias=INLINE)
    sweep: dict[str, tuple[float | int, ...]] = omitted({})
    """Values of `epsilon` and `steps` in ascending order; all combinations are read."""

    @property
    def attacks(self) -> list[Attack]:
        """The attack at each combination of the swept values."""
        return [self.attack.model_copy(update=values) for values in _combinations(self.sweep)]

    @property
    def points(self) -> tuple[Point, ...]:
        """The points of the combinations, each once."""
        return tuple(dict.fromkeys(attack.point for attack in self.attacks))

    @model_validator(mode="wrap")
    @classmethod
    def _read_sweep(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Give the attack the first of the values that are swept, and check all combinations of them."""
        if not isinstance(value, Mapping) or not isinstance(value.get("sweep") or {}, Mapping):
            return handler(value)
        problems: list[InitErrorDetails] = []
        swept = _values(value, problems)
        first = {name: values[0] for name, values in swept.items()}
        reported = {problem["loc"][-1] for problem in problems if "loc" in problem}
        try:
            entry = handler({**value, "sweep": swept, **first})
        except ValidationError as error:
            problems += [problem for problem in problems_of(error) if not reported & {*problem.get("loc", ())[:1]}]
        if not problems:
            problems += _problems_of_combinations(entry.attack, swept)
        if problems:
            raise refuse(problems)
        return entry

    @field_serializer("attack")
    def _without_swept(self, attack: Attack) -> dict[str, Any]:
        return {name: value for name, value in attack.config().items() if name not in self.sweep}


def _values(fields: Mapping[str, Any], problems: list[InitErrorDetails]) -> dict[str, tuple[Any, ...]]:
    """The swept values in ascending order; what the attack's kind says against them, or tracing, joins `problems`."""
    kind, sweep = fields.get("kind"), fields.get("sweep") or {}
    member = ATTACKS[kind] if isinstance(kind, str) and kind in ATTACKS else None
    if member is None:
        return {}
    found = {}
    for name, values in sweep.items():
        if name not in member.sweepable:
            problems.append(refusal(f"unknown key; {choices(name, sorted(member.sweepable))}", "sweep", name))
        elif not isinstance(values, (list, tuple)) or not values or any(isinstance(value, bool) for value in values):
            problems.append(refusal(f"expected a list of values, not {values!r}", "sweep", name))
        else:
            try:
                field = member.model_fields[name]
                one: Any = Annotated[(field.annotation, *field.metadata)]
                read = TypeAdapter(tuple[one, ...]).validate_python(values)
                found[name] = tuple(sorted(set(read)))
            except ValidationError as error:
                problems += [moved(problem, ("sweep", name)) for problem in problems_of(error)]
        if name in fields:
            message = f"it is swept too (sweep.{name}: {values}); keep one of the two"
            problems.append(refusal(message, name))
    if fields.get("trace_every") is not None and not member.traceable:
        problems.append(refusal(f"{kind} has no steps to trace", "trace_every"))
    for name in member.sweepable - sweep.keys():
        if isinstance(fields.get(name), list):
            problems.append(refusal(f"a list; swept values stand under {{here}}.sweep.{name}", name))
    return found


def _problems_of_combinations(attack: Attack, sweep: Mapping[str, tuple[Any, ...]]) -> Iterator[InitErrorDetails]:
    """What the attack's settings refuse together, at the first combination that they refuse."""
    for values in _combinations(sweep):
        try:
            type(attack).model_validate({**attack.config(), **values})
        except ValidationError as error:
            for problem in problems_of(error):
                place = problem.get("loc", ())
                yield moved(problem, ("sweep", *place) if place[:1] and place[0] in sweep else place)
            return


def _combinations(sweep: Mapping[str, tuple[Any, ...]]) -> Iterator[dict[str, Any]]:
    return (dict(zip(sweep, values, strict=True)) for values in itertools.product(*sweep.values()))


class AttackEntry(SweptAttack):
    """One attack on variants; `None` leaves the study's own choice."""

    variants: VariantNames = omitted()
    trace_every: Count | None = omitted()
    examples: Count | None = omitted()
    seeds: SeedList | None = omitted()
    view: View | None = omitted()
    """The gradient to look at; each variant's natural one where it is `None`."""


AllOrNames = Annotated[VariantNames, PlainSerializer(lambda names: "all" if names is None else list(names))]


class TransferEntry(Section):
    """One attack, crafted on every one of `sources` and judged on every one of `targets`; `None` is all variants."""

    attack: SweptAttack = required()
    sources: AllOrNames = None
    targets: AllOrNames = None
    examples: Count | None = omitted()
    seeds: SeedList | None = omitted()
    view: View | None = omitted()
