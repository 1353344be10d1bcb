"""Problems in what a user wrote: the place of each, what stands there, and what would be accepted."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Annotated, Any, ClassVar, Final, Literal, Self, cast, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, ModelWrapValidatorHandler, ValidationError, model_validator
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

_REFUSED: Final = "refused"
"""Type of the errors whose message names the value already."""
_UNKNOWN: Final = "unknown_key"
_NO_MAPPING: Final = ("dict_type", "mapping_type", "model_type", "model_attributes_type")
_PARSED: Final = "parsed"
"""Among the types of a field: a validator of its own reads whatever stands there."""
_LONGEST: Final = 80
"""Letters of a value that a message shows."""


def choices(name: str, known: Sequence[str]) -> str:
    """What would have been accepted instead of `name`, the likeliest first.

    Args:
        name: What was written.
        known: What is accepted, in the order in which it is listed.

    Returns:
        The end of a message.

    Examples:
        >>> choices("pdg", ["fgsm", "pgd"])
        "did you mean 'pgd'? accepted: fgsm, pgd"
    """
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}accepted: {', '.join(known) or 'nothing'}"


def validation_problem(message: str, *place: str | int) -> InitErrorDetails:
    """One problem, at `place` inside the value that is validated; `{here}` in it stands for the place above that.

    Args:
        message: What is wrong, and what is accepted instead.
        place: Keys and indices that lead to it.

    Returns:
        What `validation_error` takes.

    Examples:
        >>> validation_problem("expected a name", "models", 0)["loc"]
        ('models', 0)
    """
    return _problem(_REFUSED, message, place, None)


def validation_error(problems: Iterable[InitErrorDetails]) -> ValidationError:
    """An error for a validator to raise: pydantic adds the places above, and reports it with all others.

    Args:
        problems: Of `validation_problem`.

    Returns:
        An error that lists all of them.

    Examples:
        >>> str(validation_error([validation_problem("expected a name", "model")])).splitlines()[0]
        '1 validation error for '
    """
    return ValidationError.from_exception_data("", list(problems))


def error_details(error: ValidationError) -> list[InitErrorDetails]:
    """The problems of a caught error, to be raised again with others or for another place."""
    return [_again(detail) for detail in error.errors(include_url=False)]


def at_location(problem: InitErrorDetails, place: tuple[str | int, ...]) -> InitErrorDetails:
    """The same problem at another place."""
    return {**problem, "loc": place}


def with_accepted_keys(problem: InitErrorDetails, keys: Iterable[str]) -> InitErrorDetails:
    """An unknown key, where other `keys` would have been accepted as well."""
    error = problem["type"]
    if isinstance(error, str) or error.type != _UNKNOWN:
        return problem
    accepted = [*(error.context or {})["accepted"], *keys]
    return _problem(_UNKNOWN, "unknown key", problem.get("loc", ()), problem["input"], accepted)


def explain(error: ValidationError, where: str, model: type[BaseModel]) -> str:
    """One line a user can act on for each problem: place, value, what is accepted.

    Args:
        error: Of pydantic, with all problems of a value.
        where: The value's own place, such as a file's name; may be empty.
        model: The class that was validated, which names the value where a problem has no place.

    Returns:
        As many lines as there are problems.

    Examples:
        >>> from pydantic import BaseModel
        >>> explain(validation_error([validation_problem("expected a name", "model")]), "study", BaseModel)
        'study.model: expected a name'
    """
    return "\n".join(_line(detail, where or "", model.__name__) for detail in error.errors(include_url=False))


def _line(detail: ErrorDetails, where: str, name: str) -> str:
    loc = detail["loc"][:-2] if detail["loc"][-1:] == ("[key]",) else detail["loc"]
    parts = [part for part in (where, *map(str, loc)) if part]
    place, kind, accepted = ".".join(parts) or name, detail["type"], _accepted(detail)
    message = detail["msg"].removeprefix("Value error, ")
    if kind == _UNKNOWN:
        message = f"unknown key; {choices(parts[-1], accepted)}"
    elif kind == "extra_forbidden":
        message = "unknown key; it is not accepted here"
    elif kind == "missing":
        message = "missing, and has no default"
    elif kind == _REFUSED:
        message = message.replace("{here}", ".".join(parts[:-1]))
    else:
        if kind in _NO_MAPPING:
            message = f"expected a mapping{' of ' if accepted else ''}{', '.join(accepted)}"
        message = message if message[:2].isupper() else message[0].lower() + message[1:]
        shown = kind != "json_invalid" and not isinstance(detail["input"], Mapping)  # the place says enough
        message += f", not {_short(repr(detail['input']))}" if shown else ""
    return f"{place}: {message}"


def _again(detail: ErrorDetails) -> InitErrorDetails:
    """The problem as one to raise; pydantic's own errors cannot be raised as they came."""
    one_needed = detail["type"] == "too_short" and (detail.get("ctx") or {}).get("min_length") == 1
    if one_needed:
        return validation_problem("at least one is needed", *detail["loc"])
    if (share := _meant_share(detail)) is not None:
        message = detail["msg"][0].lower() + detail["msg"][1:]
        return validation_problem(f"{message}, not {detail['input']}; did you mean {share:g}?", *detail["loc"])
    return _problem(detail["type"], detail["msg"], detail["loc"], detail["input"], _accepted(detail))


def _meant_share(detail: ErrorDetails) -> float | None:
    """The share that was meant, where a percentage stands for a share."""
    limits = detail.get("ctx") or {}
    if detail["type"] not in ("less_than", "less_than_equal") or 1 not in (limits.get("lt"), limits.get("le")):
        return None
    try:
        given = float(detail["input"])
    except (TypeError, ValueError):
        return None
    return given / 100 if 2 <= given < 100 else None


def _problem(
    kind: str, message: str, place: tuple[str | int, ...], value: object, accepted: Sequence[str] = ()
) -> InitErrorDetails:
    context = {"message": message, "accepted": list(accepted)}
    error = PydanticCustomError(cast(Literal["refused"], kind), "{message}", context)
    return InitErrorDetails(type=error, loc=place, input=value)


def _accepted(detail: ErrorDetails) -> list[str]:
    found: list[str] = (detail.get("ctx") or {}).get("accepted", [])
    return found


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}\u2026 ({len(text):,} characters)"


class StrictModel(BaseModel):
    """A frozen value that refuses unknown keys, and says which it would have accepted."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)

    misplaced: ClassVar[Mapping[str, str]] = {}
    """What to say of keys that are unknown here and belong elsewhere."""

    @classmethod
    def accepted_keys(cls) -> list[str]:
        """The keys that a mapping may have, as they are written."""
        return [info.alias or name for name, info in cls.model_fields.items() if info.alias != "" and not info.exclude]

    @model_validator(mode="wrap")
    @classmethod
    def _validated(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        problems = mistyped(cls, value)
        try:
            model = handler(value)
        except ValidationError as error:
            problems = with_others(problems, cls.named_problems(error))
        if problems:
            raise validation_error(problems)
        return model

    @classmethod
    def named_problems(cls, error: ValidationError) -> list[InitErrorDetails]:
        """The problems of the model, with the keys that it would have accepted where they are unknown."""
        return [cls._named(detail) for detail in error.errors(include_url=False)]

    @classmethod
    def _named(cls, detail: ErrorDetails) -> InitErrorDetails:
        kind, place = detail["type"], detail["loc"]
        if place and (field := cls.model_fields.get(str(place[0]))) is not None and field.alias:
            detail["loc"] = place = (field.alias, *place[1:])  # pydantic names defaults by the field
        if kind == "extra_forbidden" and len(place) == 1:
            if (message := cls.misplaced.get(str(place[0]))) is not None:
                return validation_problem(message, *place)
            return _problem(_UNKNOWN, "unknown key", place, detail["input"], cls.accepted_keys())
        if kind in _NO_MAPPING and not place:
            return _problem(kind, detail["msg"], place, detail["input"], cls.accepted_keys())
        return _again(detail)


def mistyped(model: type[BaseModel], value: object) -> list[InitErrorDetails]:
    """Where a mapping for `model` holds values of another type than its fields, which pydantic would convert.

    Pydantic takes `True` for 1, the text `1_000` for a thousand, and 1, `yes` or `on` for `True`.
    """
    problems = []
    for name, item in value.items() if isinstance(value, Mapping) else ():
        types = _field_types(model, name)
        wrong = next((message for part in _scalars(item) if (message := _mismatch(part, types))), None)
        if wrong is not None:
            problems.append(_problem("value_error", wrong, (name,), item))
    return problems


def with_others(problems: Sequence[InitErrorDetails], others: Sequence[InitErrorDetails]) -> list[InitErrorDetails]:
    """Both, one a place: pydantic knows more of a text that is no number, and less of a boolean."""
    booleans = [problem for problem in problems if isinstance(problem["input"], bool)]
    kept = [other for other in others if _field_of(other) not in set(map(_field_of, booleans))]
    places = {_field_of(other) for other in kept}
    return [*(problem for problem in problems if _field_of(problem) not in places), *kept]


def _field_of(problem: InitErrorDetails) -> tuple[str | int, ...]:
    return problem.get("loc", ())[:1]


def _scalars(item: object) -> list[object]:
    if isinstance(item, Mapping):
        return list(item.values())
    if isinstance(item, (list, tuple)):
        return [scalar for part in item for scalar in (part if isinstance(part, (list, tuple)) else (part,))]
    return [item]


def _mismatch(item: object, types: frozenset[Any]) -> str | None:
    """What is expected where `item` stands; `None` where its type fits, or whoever reads the field decides."""
    if not types or types & {Any, object} or item in [known for known in types if type(known) is type(item)]:
        return None
    numbers = types & {int, float} or {known for known in types if type(known) is int}
    if isinstance(item, bool):
        refused = numbers and bool not in types and (int in types or _PARSED not in types)
        return f"expected {'an integer' if int in types else 'a number'}" if refused else None
    if isinstance(item, str):
        if str in types or not types & {int, float, bool} or types & {_PARSED}:
            return None
        if not numbers:
            return "expected true or false"
        return f"expected {'an integer' if float not in types else 'a number'}, in digits and without quotes"
    return "expected true or false" if isinstance(item, (int, float)) and bool in types and not numbers else None


@cache
def _field_types(model: type[BaseModel], key: object) -> frozenset[Any]:
    """Types that a field of the model may hold, and literal values; empty for an unknown key."""
    found: set[Any] = set()
    for name, info in model.model_fields.items():
        if key == (info.alias or name):
            found |= {*_types(info.annotation), *_parsed(info.annotation, info.metadata)}
    return frozenset(found)


def _types(annotation: Any) -> list[Any]:
    """The types that an annotation is made of, values of literals, and `_PARSED` where a validator reads texts."""
    if get_origin(annotation) is Annotated:
        base, *marks = get_args(annotation)
        return [*_types(base), *_parsed(base, marks)]
    parts = [part for part in get_args(annotation) if part is not Ellipsis]
    if get_origin(annotation) is Literal:
        return parts
    return [kind for part in parts for kind in _types(part)] if parts else [annotation]


def _parsed(annotation: Any, marks: Sequence[Any]) -> list[str]:
    """`_PARSED` where a validator reads single values; those of lists check the list."""
    reads = get_origin(annotation) is not tuple and any(isinstance(mark, BeforeValidator) for mark in marks)
    return [_PARSED] if reads else []
