"""`limits`: searches for the smallest network of each family of compression that keeps conditions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator

from brinell.compressors import COMPRESSORS, Compressor
from brinell.core import BrinellError, ConfigurationError, validation_error, validation_problem
from brinell.core.conditions import Condition
from brinell.core.goals import Goal, parse_goal
from brinell.core.requirements import PROBED, SHARES, parse_requirement
from brinell.limits import SearchedNumber, corners, filled, searched_numbers
from brinell.study.config.attacks import SweptAttack
from brinell.study.config.section import Count, Name, Section, VariantName, at_least_one, optional_field, required_field

_MOST_GOALS: Final = 2


def _chain(value: Any) -> Any:
    """One compressor is a chain of one."""
    if not isinstance(value, (Mapping, list, tuple)):
        message = f"expected a compressor, or a list of them, with searched numbers, not {value!r}"
        raise validation_error([validation_problem(message)])
    return [value] if isinstance(value, Mapping) else at_least_one(value)


def _check_chain(chain: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
    """Every compressor is accepted at both ends of every range and at each choice, and something is searched."""
    try:
        numbers = tuple(searched_numbers(list(chain)))
        if not numbers:
            raise ValueError("nothing is searched: write {search: [low, high]} for a number")
        for corner in corners(numbers):
            values = {number.place: value for number, value in zip(numbers, corner, strict=True)}
            for place, settings in enumerate(filled(list(chain), values)):
                COMPRESSORS.parse(settings, str(place))
    except (ValueError, BrinellError) as error:
        raise validation_error([validation_problem(line) for line in str(error).splitlines()]) from None
    return chain


Chain = Annotated[tuple[dict[str, Any], ...], BeforeValidator(_chain), AfterValidator(_check_chain)]
"""Compressors, each applied to what the one before made, with `{search: ...}` for some of their numbers."""


class Screen(SweptAttack):
    """The attack that decides during the search, on the first `examples`, and on all where those leave it undecided."""

    examples: Count = 200


class LimitAttacks(Section):
    """What is attacked with during the search, and to confirm."""

    screen: Screen | None = None
    """`None`: PGD of 10 steps at the radii of the conditions."""
    confirm: Literal["all"] = "all"
    """Every attack that the study runs on the network that the search begins from."""


class LimitTraining(Section):
    """How long networks are trained during the search."""

    screen: Count | None = None
    """Epochs of each training at most, before a network is confirmed; `None`: all of them."""


class LimitBudget(Section):
    """How much a search may make; where both numbers are given, it ends with the first that is spent."""

    variants: Count | None = None
    """Networks of all families together; the steps of a chain count once, with its last."""
    hours: Annotated[float, Field(gt=0)] | None = None
    """Time of making and screening, in all calls together; what is confirmed comes on top."""


class Limit(Section):
    """One search: for each family the cheapest network that keeps all conditions."""

    parent: VariantName = Field(alias="from")
    minimise: tuple[str, ...] = required_field()
    """One cost, or two, of which the whole front is searched."""
    keep: tuple[str, ...] = required_field()
    families: Annotated[dict[Name, Chain], Field(min_length=1)]
    attacks: LimitAttacks = LimitAttacks()
    epochs: LimitTraining = optional_field(LimitTraining())
    budget: LimitBudget = required_field()
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Of searches over several numbers."""

    @property
    def goals(self) -> tuple[Goal, ...]:
        """What is minimised."""
        return tuple(map(parse_goal, self.minimise))

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """What is kept."""
        return tuple(parse_requirement(text) for text in self.keep)

    def numbers(self, family: str) -> tuple[SearchedNumber, ...]:
        """What is searched in a family."""
        return tuple(searched_numbers(list(self.families[family])))

    def compressors(self, family: str) -> Iterator[Compressor]:
        """The compressors of a family, at the ends of every range and at each choice."""
        numbers, chain = self.numbers(family), list(self.families[family])
        for corner in corners(numbers):
            values = {number.place: value for number, value in zip(numbers, corner, strict=True)}
            yield from (COMPRESSORS.parse(settings, family) for settings in filled(chain, values))

    def labels(self, family: str) -> tuple[str, ...]:
        """What each of them is called: its place in the compressor, or in the chain where there are several."""
        single = len(self.families[family]) == 1
        places = [number.place[1:] if single else number.place for number in self.numbers(family)]
        return tuple(".".join(map(str, place)) for place in places)

    def probes(self) -> set[str]:
        """Kinds of the probes that the search itself needs."""
        metrics = [*(goal.metric for goal in self.goals), *(condition.metric for condition in self.conditions)]
        return {PROBED[metric] for metric in metrics if metric in PROBED}

    @field_validator("minimise", mode="before")
    @classmethod
    def _read_goals(cls, value: Any) -> Any:
        texts = list(value) if isinstance(value, (list, tuple)) else [value]
        if not 1 <= len(texts) <= _MOST_GOALS or len(set(map(str, texts))) < len(texts):
            raise validation_error([validation_problem(f"expected one cost or two different ones, not {value!r}")])
        try:
            return tuple(parse_goal(text).text for text in texts)
        except ConfigurationError as error:
            raise validation_error([validation_problem(str(error))]) from None

    @field_validator("keep", mode="before")
    @classmethod
    def _read_keep(cls, value: Any) -> Any:
        texts = (value,) if isinstance(value, str) else value
        if not isinstance(texts, (list, tuple)) or not texts:
            raise validation_error(
                [validation_problem(f"expected conditions such as 'clean_accuracy >= -0.01', not {value!r}")]
            )
        problems = [
            validation_problem(message, place) for place, text in enumerate(texts) if (message := _unusable(text))
        ]
        if problems:
            raise validation_error(problems)
        return tuple(texts)

    @field_validator("budget")
    @classmethod
    def _enough(cls, value: LimitBudget, info: ValidationInfo) -> LimitBudget:
        needed = 2 * len(info.data.get("families", ()))
        if value is not None and value.variants is None and value.hours is None:
            raise validation_error([validation_problem("expected variants: COUNT or hours: NUMBER, or both")])
        if value is not None and value.variants is not None and value.variants < needed:
            message = f"expected at least {needed}, two for each family, not {value.variants}"
            raise validation_error([validation_problem(message, "variants")])
        return value

    def screen(self) -> dict[str, Any] | None:
        """The settings of the screening attack; `None` where no condition is on attacked networks."""
        attacked = [condition for condition in self.conditions if condition.radius is not None]
        if not attacked:
            return None
        if self.attacks.screen is not None:
            return self.attacks.screen.model_dump(mode="json", by_alias=True)
        radii = sorted({condition.radius or 0.0 for condition in attacked})
        return {"kind": "pgd", "norm": attacked[0].norm, "steps": 10, "sweep": {"epsilon": radii}, "examples": 200}


def _unusable(text: object) -> str:
    """Why a condition cannot be searched under; empty where it can."""
    if not isinstance(text, str):
        return f"expected a condition such as 'clean_accuracy >= -0.01', not {text!r}"
    try:
        condition = parse_requirement(text)
    except ConfigurationError as error:
        return str(error)
    if condition.variant is not None:
        return f"{text!r}: it is on every network of the search; leave 'of' out"
    if condition.metric in ("robust_accuracy", "worst_case") and condition.radius is None:
        return f"{text!r}: name a radius: {condition.metric} within 2/255"
    if condition.signed and condition.metric in SHARES and not condition.holds(0.0):
        return f"{text!r}: the baseline itself fails it: it does not differ from itself"
    return ""


def limit_problem(limit: Limit) -> str:
    """What is wrong between the conditions and the screening attack; empty where nothing is."""
    attacked = [condition for condition in limit.conditions if condition.radius is not None]
    if len({condition.norm for condition in attacked}) > 1:
        return "conditions of one limit are in one norm"
    screen = limit.attacks.screen
    if screen is None:
        return ""
    for condition in attacked:
        norm = screen.attack.distance_norm
        if not any(condition.selects_radius(norm, point.epsilon) for point in screen.points):
            return f"attacks.screen is not read at the radius of {condition.text!r}"
    return ""
