"""`Spec`: a frozen, validated value that prints, compares, hashes, reads from YAML and has a key."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Annotated, Any, ClassVar, Generic, Self, TypeVar, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, model_validator

from brinell.core.errors import ConfigurationError
from brinell.core.keys import content_key, file_digest


class NotInKey:
    """Marks a field that changes speed only (`Annotated[int, Execution()]`) and so stays out of the key."""


class OmitDefaultFromKey:
    """Marks a field added after results existed: at its default it stays out of the key, so that they stay valid."""


def _fraction(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("expected a number or a ratio such as '8/255'")
    if not isinstance(value, str):
        return value
    above, slash, below = value.partition("/")
    try:
        return float(above) / float(below) if slash else float(value)
    except (ValueError, ZeroDivisionError):
        raise ValueError("expected a number or a ratio such as '8/255'") from None


Fraction = Annotated[float, BeforeValidator(_fraction)]
"""A float that YAML and the command line may also write as a ratio: `8/255`, `0.5/255`."""


class Spec(BaseModel):
    """Base of every attack, compressor, architecture and training recipe: hyper-parameters and nothing else."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)

    kind: ClassVar[str]
    """The name in YAML and on the command line."""
    revision: ClassVar[int] = 1
    """Raised when the algorithm is mended, so that results of the old one are not mistaken for new ones."""

    @model_validator(mode="before")
    @classmethod
    def _own_kind(cls, config: Any) -> Any:
        """A spec inside another may say its kind, as `config()` writes it."""
        if not isinstance(config, Mapping) or "kind" not in config:
            return config
        if config["kind"] != cls.kind:
            raise ValueError(f"kind is {config['kind']!r}, but {cls.kind!r} is expected here")
        return {name: value for name, value in config.items() if name != "kind"}

    def identity(self) -> dict[str, Any]:
        """The JSON-able fields that decide the result, with the kind and its revision."""
        fields = {}
        for name, info in type(self).model_fields.items():
            value = getattr(self, name)
            speed = any(isinstance(mark, NotInKey) for mark in info.metadata)
            unused = value == info.default and any(isinstance(mark, OmitDefaultFromKey) for mark in info.metadata)
            if not speed and not unused:
                fields[name] = _identity(value)
        return {"kind": self.kind, "revision": self.revision, **fields}

    def config(self) -> dict[str, Any]:
        """The JSON-able mapping that `Registry.parse` reads back into an equal value."""
        return {"kind": self.kind, **{name: _config(getattr(self, name)) for name in type(self).model_fields}}

    @property
    def key(self) -> str:
        """Hash of `identity()`."""
        return content_key(self.kind, identity=self.identity())

    @classmethod
    def parse(cls, config: Mapping[str, Any], where: str = "") -> Self:
        """Validate a mapping from a file; `where` is its path inside that file, for the error.

        Raises:
            ConfigurationError: a key is unknown, missing or has a value that is not accepted.
        """
        try:
            return cls.model_validate(config)
        except ValidationError as error:
            raise ConfigurationError(explain(error, where, cls)) from None


def _identity(value: Any) -> Any:
    if isinstance(value, Spec):
        return value.identity()
    if isinstance(value, Path):
        return file_digest(value)  # what a file holds decides results, not where it lies
    return _nested(value, _identity)


def _config(value: Any) -> Any:
    if isinstance(value, Spec):
        return value.config()
    return _nested(value, _config)


def _nested(value: Any, convert: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return {str(name): convert(item) for name, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [convert(item) for item in value]
    return str(value) if isinstance(value, PurePath) else value


def explain(error: ValidationError, where: str, model: type[BaseModel]) -> str:
    """One line a user can act on for each thing pydantic found wrong: place, value, what is accepted."""
    lines = []
    for detail in error.errors():
        place = ".".join([part for part in (where, *map(str, detail["loc"])) if part]) or model.__name__
        if detail["type"] == "extra_forbidden":
            lines.append(f"{place}: unknown key; {_accepted(detail['loc'], model)}")
        elif detail["type"] == "missing":
            lines.append(f"{place}: missing, and has no default")
        else:
            message = detail["msg"].removeprefix("Value error, ")
            message = message[0].lower() + message[1:] if not message[:2].isupper() else message
            silent = detail["type"] == "json_invalid" or isinstance(detail["input"], Mapping)  # the place says enough
            given = "" if silent else f", not {_short(repr(detail['input']))}"
            lines.append(f"{place}: {message}{given}")
    return "\n".join(lines)


def _short(text: str, most: int = 80) -> str:
    return text if len(text) <= most else f"{text[:most]}\u2026 ({len(text):,} characters)"


def _accepted(place: Sequence[str | int], model: type[BaseModel]) -> str:
    *path, name = place
    for part in path:
        field = model.model_fields.get(str(part))
        inner = [] if field is None else _models(field.annotation)
        if len(inner) != 1:
            return "it is not accepted here"
        model = inner[0]
    return choices(str(name), list(model.model_fields))


def _models(annotation: Any) -> list[type[BaseModel]]:
    """The models that a field's type names: `Train` of `Train | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]


def choices(name: str, known: list[str]) -> str:
    """What would have been accepted instead of `name`, the likeliest first."""
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}accepted: {', '.join(known) or 'nothing'}"


S = TypeVar("S", bound=Spec)


class Registry(Generic[S]):
    """The members of one family by kind, as `attacks/__init__.py` and its like list them."""

    def __init__(self, family: str, *members: type[S]) -> None:
        self.family = family
        self._members = {member.kind: member for member in members}
        if len(self._members) < len(members):
            raise ValueError(f"two members of the {family} registry have one kind among {list(self._members)}")

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def __getitem__(self, kind: str) -> type[S]:
        """The class of `kind`.

        Raises:
            ConfigurationError: no member has that kind; the message lists those that exist.
        """
        return self.member(kind)

    def member(self, kind: object, where: str = "") -> type[S]:
        """As `registry[kind]`, with the place inside a file for the error."""
        if isinstance(kind, str) and kind in self._members:
            return self._members[kind]
        place = f"{where}: " if where else ""
        raise ConfigurationError(f"{place}unknown {self.family} {kind!r}; {choices(str(kind), list(self._members))}")

    def parse(self, config: object, where: str = "") -> S:
        """Read `{kind: ..., field: ...}`, or just the kind as a string.

        Raises:
            ConfigurationError: not a mapping, no or an unknown kind, or a bad field.
        """
        if isinstance(config, str):
            config = {"kind": config}
        if not isinstance(config, Mapping):
            raise ConfigurationError(
                f"{where or self.family}: expected a mapping with a 'kind' ({', '.join(self)}), not {config!r}"
            )
        if "kind" not in config:
            raise ConfigurationError(f"{where or self.family}.kind: missing; accepted: {', '.join(self)}")
        return self.member(config["kind"], f"{where}.kind" if where else "").parse(config, where)

    def read(self, value: Any) -> Any:
        """As `parse` for a mapping or a kind, anything else unchanged: the `BeforeValidator` of a nested member."""
        if not isinstance(value, (str, Mapping)):
            return value
        try:
            return self.parse(value)
        except ConfigurationError as error:
            raise ValueError(str(error)) from None
