"""What sections are made of: inline members of registries, names, references to names, counts."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
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

from brinell.core import StrictModel, choices, refusal, refuse
from brinell.core.problems import accepting, moved, problems_of

INLINE: Final = ""
"""Alias of a field whose own keys stand in the file among those of the section that holds it: `kind` and settings."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_+-]*")


class Section(StrictModel):
    """Part of a study's file. `model_dump(by_alias=True)` writes it as it is read."""

    @model_validator(mode="wrap")
    @classmethod
    def _read_inline_member(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        keys = cls.accepted_keys()
        if all(info.alias != INLINE for info in cls.model_fields.values()) or isinstance(value, cls):
            return handler(value)
        given = {"kind": value} if isinstance(value, str) else value
        if isinstance(given, Mapping):
            own = {key: item for key, item in given.items() if key in keys}
            member = {key: item for key, item in given.items() if key not in keys}
        else:
            own, member = {}, given
        try:
            return handler({**own, INLINE: member})
        except ValidationError as error:
            raise refuse(_lifted(problem, keys) for problem in problems_of(error)) from None

    @model_serializer(mode="wrap")
    def _write_inline_member(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields = handler(self)
        return {**fields.pop(INLINE, {}), **fields}


def _lifted(problem: Any, keys: list[str]) -> Any:
    """A problem of an inline member as one of the section; of its unknown keys, those of the section were meant too."""
    place = problem["loc"]
    if place[:1] != (INLINE,):
        return problem
    return moved(accepting(problem, keys) if len(place) == 2 else problem, place[1:])


def omitted(default: Any = None, **settings: Any) -> Any:
    """A field that is not written where it has its empty default."""
    return Field(default, exclude_if=lambda value: value == default, **settings)


def required(**settings: Any) -> Any:
    """A field without a default, of a type that says what is accepted where nothing stands."""
    return Field(None, validate_default=True, **settings)


def at_least_one(value: object, remedy: str = "") -> object:
    """A list that is not empty, or whatever is no list."""
    if isinstance(value, (list, tuple)) and not value:
        raise refuse([refusal(f"at least one is needed{remedy}")])
    return value


# Names, and references to them


def _checked_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise refuse([refusal(f"a name has letters, digits, '-', '_' and '+' only, not {name!r}")])
    return name


Name = Annotated[str, AfterValidator(_checked_name)]
"""A name that may be part of a path and of a `--set`."""


@dataclass(frozen=True)
class Names:
    """The names that a study's file defines: the context of its validation, in which references are checked."""

    models: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()
    attacks: tuple[str, ...] = ()

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Self:
        """Those of a file, whether or not what they name is valid."""
        found = {section: config.get(section) for section in cls.__dataclass_fields__}
        return cls(**{name: tuple(map(str, part)) for name, part in found.items() if isinstance(part, Mapping)})


def one_of(name: object, known: Any) -> None:
    """Refuse a name that is not `known`."""
    if name not in known:
        raise refuse([refusal(f"there is no {name!r}; {choices(str(name), list(known))}")])


def _reference(section: str) -> AfterValidator:
    def check(value: Any, info: ValidationInfo) -> Any:
        for name in (value,) if isinstance(value, str) else value or ():
            one_of(name, getattr(info.context or Names(), section))
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


def choice(known: Callable[[], Any]) -> BeforeValidator:
    """One of the names that `known()` has when it is validated."""

    def check(value: object) -> object:
        if value is None:
            raise refuse([refusal(f"missing; accepted: {', '.join(known())}")])
        one_of(value, known())
        return value

    return BeforeValidator(check)


def _positive(value: int) -> int:
    if value < 1:
        raise ValueError("expected at least 1")
    return value


Count = Annotated[int, AfterValidator(_positive)]
