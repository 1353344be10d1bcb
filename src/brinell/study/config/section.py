"""What sections are made of: inline members of registries, names, references to names, counts."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ModelWrapValidatorHandler,
    SerializerFunctionWrapHandler,
    ValidationError,
    ValidationInfo,
    model_serializer,
    model_validator,
)

from brinell.container import STUDY_NETWORKS
from brinell.core import StrictModel, choices, validation_error, validation_problem
from brinell.core.problems import at_location, mistyped, with_accepted_keys, with_others
from brinell.models import NetworkSource

INLINE: Final = ""
"""Alias of a field whose own keys stand in the file among those of the section that holds it: `kind` and settings."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_+-]*")


class Section(StrictModel):
    """Part of a study's file. `model_dump(by_alias=True)` writes it as it is read."""

    @model_validator(mode="wrap")
    @classmethod
    def _validated(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        keys = cls.accepted_keys()
        problems = mistyped(cls, value)
        if not isinstance(value, cls) and any(info.alias == INLINE for info in cls.model_fields.values()):
            value = {"kind": value} if isinstance(value, str) else value
            own = {key: value[key] for key in keys if key in value} if isinstance(value, Mapping) else {}
            member = {key: value[key] for key in value if key not in keys} if isinstance(value, Mapping) else value
            value = {**own, INLINE: member}
        try:
            section = handler(value)
        except ValidationError as error:
            problems = with_others(problems, [_lifted(problem, keys) for problem in cls.named_problems(error)])
        if problems:
            raise validation_error(problems)
        return section

    @model_serializer(mode="wrap")
    def _write_inline_member(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields = handler(self)
        return {**fields.pop(INLINE, {}), **fields}


def _lifted(problem: Any, keys: list[str]) -> Any:
    """A problem of an inline member as one of the section; of its unknown keys, those of the section were meant too."""
    place = problem["loc"]
    if place[:1] != (INLINE,):
        return problem
    return at_location(with_accepted_keys(problem, keys) if len(place) == 2 else problem, place[1:])


def optional_field(default: Any = None, **settings: Any) -> Any:
    """A field that is not written where it has its empty default."""
    return Field(default, exclude_if=lambda value: value == default, **settings)


def required_field(**settings: Any) -> Any:
    """A field without a default, of a type that says what is accepted where nothing stands."""
    return Field(None, validate_default=True, **settings)


def at_least_one(value: object, remedy: str = "") -> object:
    """A list that is not empty, or whatever is no list."""
    if isinstance(value, (list, tuple)) and not value:
        raise validation_error([validation_problem(f"at least one is needed{remedy}")])
    return value


# Names, and references to them


def _checked_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise validation_error([validation_problem(f"a name has letters, digits, '-', '_' and '+' only, not {name!r}")])
    return name


Name = Annotated[str, AfterValidator(_checked_name)]
"""A name that may be part of a path and of a `--set`."""


@dataclass(frozen=True)
class DefinedNames:
    """The names that a file defines, whether or not what they name is valid: the context of its validation.

    References are checked in it by their fields, and what must hold between sections by `validate`.
    """

    models: Mapping[str, bool] = field(default_factory=dict)
    """Whether each has weights, as far as the file tells."""
    variants: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """The names that each gives under `model`, `from` and `baseline`, and `train` if it is trained."""
    attacks: tuple[str, ...] = ()
    transfers: tuple[str, ...] = ()

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Self:
        """Those of a study's mapping."""
        sections: dict[str, Any] = {"models": {}, "variants": {}, "attacks": {}, "transfer": {}}
        for section in sections:
            part = config.get(section)
            sections[section] = part if isinstance(part, Mapping) else {}
        models, variants, attacks, transfers = sections.values()
        weights, links = {}, {}
        for name, model in models.items():
            given = model if isinstance(model, Mapping) else {}
            weights[name] = any(map(given.get, ("weights", "pretrained"))) or _brings_weights(given.get("kind"))
        for name, entry in variants.items():
            given = entry if isinstance(entry, Mapping) else {}
            keys = [key for key in ("model", "from", "baseline", "train") if given.get(key) is not None]
            links[name] = {key: str(given[key]) for key in keys}
        return cls(weights, links, tuple(attacks), ("transfer",) if is_transfer(transfers) else tuple(transfers))


def _brings_weights(kind: object) -> bool:
    member = STUDY_NETWORKS[kind] if isinstance(kind, str) and kind in STUDY_NETWORKS else None
    return isinstance(member, type) and issubclass(member, NetworkSource) and member.brings_weights


def is_transfer(value: Any) -> bool:
    """Whether it is one entry of `transfer`, and no mapping of several by name."""
    attack = value.get("attack") if isinstance(value, Mapping) else None
    return isinstance(attack, str) or (isinstance(attack, Mapping) and "kind" in attack)


def check_known_name(name: object, known: Any) -> None:
    """Refuse a name that is not `known`."""
    if name not in known:
        raise validation_error([validation_problem(f"there is no {name!r}; {choices(str(name), list(known))}")])


def _reference(section: str) -> AfterValidator:
    def check(value: Any, info: ValidationInfo) -> Any:
        for name in (value,) if isinstance(value, str) else value or ():
            check_known_name(name, getattr(info.context or DefinedNames(), section))
        return value

    return AfterValidator(check)


def _name_list(value: object) -> object:
    """`all` is `None`, one name is a list of one, and a name that stands twice counts once."""
    if value is None or value == "all":
        return None
    return (value,) if isinstance(value, str) else at_least_one(value, "; 'all' stands for every variant")


ModelName = Annotated[str, _reference("models")]
VariantName = Annotated[str, _reference("variants")]
VariantNames = Annotated[
    tuple[str, ...] | None,
    BeforeValidator(_name_list),
    AfterValidator(lambda names: None if names is None else tuple(dict.fromkeys(names))),
    _reference("variants"),
]
"""Names of variants; `None` for all of them."""


def known_name(known: Callable[[], Any]) -> BeforeValidator:
    """One of the names that `known()` has when it is validated."""

    def check(value: object) -> object:
        if value is None:
            raise validation_error([validation_problem(f"missing; accepted: {', '.join(known())}")])
        check_known_name(value, known())
        return value

    return BeforeValidator(check)


def _positive(value: int) -> int:
    if value < 1:
        raise ValueError("expected at least 1")
    return value


Count = Annotated[int, AfterValidator(_positive)]
