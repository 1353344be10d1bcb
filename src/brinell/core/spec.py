"""`Spec`: a frozen, validated value that prints, compares, hashes, reads from YAML and has a key."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath
from typing import Annotated, Any, ClassVar, Final, Generic, Self, TypeVar, cast

from pydantic import (
    BaseModel,
    BeforeValidator,
    GetCoreSchemaHandler,
    ModelWrapValidatorHandler,
    ValidationError,
    model_serializer,
    model_validator,
)
from pydantic_core import CoreSchema, core_schema

from brinell.core.errors import ConfigurationError
from brinell.core.keys import content_key, file_digest
from brinell.core.plugins import entry_point_members
from brinell.core.problems import (
    StrictModel,
    choices,
    explain,
    mistyped,
    validation_error,
    validation_problem,
    with_others,
)

_NUMBER: Final = re.compile(r" *[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)? *")
"""Digits of ASCII without underscores; Python's `float` reads more than people mean."""


class NotInKey:
    """Marks a field that changes speed only (`Annotated[int, Execution()]`) and so stays out of the key."""


class OmitDefaultFromKey:
    """Marks a field added after results existed: at its default it stays out of the key, so that they stay valid."""


def parse_fraction(value: Any) -> Any:
    """The number that a text such as `8/255` stands for; anything else but a boolean unchanged.

    Args:
        value: Of a study's file or of Python.

    Returns:
        A float for a text.

    Raises:
        ValueError: no number and no ratio.

    Examples:
        >>> parse_fraction("8/255") == 8 / 255, parse_fraction(0.5)
        (True, 0.5)
    """
    if not isinstance(value, (str, bool)):
        return value
    above, slash, below = value.partition("/") if isinstance(value, str) else ("", "", "")
    wanted = (above, below) if slash else (above,)
    if not all(map(_NUMBER.fullmatch, wanted)) or (slash and not float(below)):
        raise ValueError("expected a number or a ratio such as '8/255'")
    return float(above) / float(below) if slash else float(above)


Fraction = Annotated[float, BeforeValidator(parse_fraction)]
"""A float that YAML and the command line may also write as a ratio: `8/255`, `0.5/255`."""


class Spec(StrictModel):
    """Base of every attack, compressor, architecture and training recipe: hyper-parameters and nothing else."""

    kind: ClassVar[str]
    """The name in YAML and on the command line."""
    revision: ClassVar[int] = 1
    """Raised when the algorithm is mended, so that results of the old one are not mistaken for new ones."""

    @model_validator(mode="wrap")
    @classmethod
    def _validated(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """A spec inside another may say its kind, as `config()` writes it."""
        if isinstance(value, Mapping) and "kind" in value:
            if value["kind"] != cls.kind:
                raise ValueError(f"kind is {value['kind']!r}, but {cls.kind!r} is expected here")
            value = {name: item for name, item in value.items() if name != "kind"}
        problems = mistyped(cls, value)
        try:
            spec = handler(value)
        except ValidationError as error:
            problems = with_others(problems, cls.named_problems(error))
        if problems:
            raise validation_error(problems)
        return spec

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

    @model_serializer(mode="plain")
    def _dumped(self) -> dict[str, Any]:
        """`model_dump` of what holds a spec writes what `config` does, whatever type the field says."""
        return self.config()

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


S = TypeVar("S", bound=Spec)


class Registry(Generic[S]):
    """The members of one family by kind, as `attacks/__init__.py` and its like list them.

    With a `group`, members of other packages join: by `register`, or by an entry point of that group, which is read
    when the registry is first used, so that importing the library imports nobody's code. The members of the registry
    that it `extends` are its members as well.
    """

    def __init__(
        self, family: str, *members: type[S], group: str | None = None, extends: Registry[S] | None = None
    ) -> None:
        self.family, self.group, self.extends = family, group, extends
        self._own: dict[str, type[S]] = {}
        self._loaded = group is None
        for member in members:
            self._add(member)

    def register(self, member: type[S]) -> type[S]:
        """Add a member, behind the others; usable as a decorator.

        Raises:
            ValueError: its kind is taken.
        """
        self._add(member)
        return member

    def unregister(self, member: type[S]) -> None:
        """Take a registered member out again.

        Raises:
            ValueError: it is not in the registry.
        """
        if self._own.get(member.kind) is not member:
            raise ValueError(f"{member.__name__} is not in the {self.family} registry")
        del self._own[member.kind]

    def _add(self, member: type[S]) -> None:
        known = self._own.get(member.kind)
        if known is not None and known is not member:
            raise ValueError(
                f"{member.__name__} and {known.__name__} of the {self.family} registry have one kind, {member.kind!r}"
            )
        self._own[member.kind] = member

    @property
    def _members(self) -> dict[str, type[S]]:
        if not self._loaded and self.group is not None:
            self._loaded = True
            for member in entry_point_members(self.group):
                self._add(member)
        return self._own if self.extends is None else {**self.extends._members, **self._own}

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
        if config is None:
            raise ConfigurationError(
                f"{where or self.family}: expected a mapping with a 'kind' ({', '.join(self)}), not None"
            )
        try:
            return cast(S, self._required(config))
        except ValidationError as error:
            raise ConfigurationError(explain(error, where or self.family, Spec)) from None

    def read(self, value: Any) -> Any:
        """As `parse` for a mapping or a kind, anything else unchanged: the `BeforeValidator` of a nested member."""
        return self._required(value) if isinstance(value, (str, Mapping)) else value

    def _required(self, value: object) -> Spec:
        """A member that stands there already, or is read; where nothing stands, what would be accepted."""
        kinds = ", ".join(self)
        if isinstance(value, Spec):
            return value
        if isinstance(value, str):
            value = {"kind": value}
        if value is None:
            raise validation_error([validation_problem(f"missing; accepted: {kinds}")])
        if not isinstance(value, Mapping):
            raise validation_error([validation_problem(f"expected a mapping with a 'kind' ({kinds}), not {value!r}")])
        if "kind" not in value:
            raise validation_error([validation_problem(f"missing; accepted: {kinds}", "kind")])
        kind = value["kind"]
        if not isinstance(kind, str) or kind not in self._members:
            raise validation_error(
                [validation_problem(f"unknown {self.family} {kind!r}; {choices(str(kind), list(self))}", "kind")]
            )
        return self._members[kind].model_validate(value)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """`Annotated[Attack, ATTACKS]` is a field that reads a member of the registry, as it is then, or takes one."""
        written = core_schema.plain_serializer_function_ser_schema(Spec.config)
        member = core_schema.is_instance_schema(source)  # its own schema would run the validators once more
        return core_schema.no_info_before_validator_function(self._required, member, serialization=written)
