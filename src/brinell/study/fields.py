"""Small readers: one value of a study's mapping each, refused with its place."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from brinell.core import ConfigurationError, Registry, explain
from brinell.core.spec import choices
from brinell.study.entries import Section
from brinell.study.reading import check_keys

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_+-]*")

T = TypeVar("T")
S = TypeVar("S", bound=Section)


def fields_of(config: object, where: str, registry: Registry[Any], besides: tuple[str, ...]) -> dict[str, Any]:
    """`config` with a known kind, and no key that neither the kind nor the study has."""
    fields = {"kind": config} if isinstance(config, str) else mapping_of(config, where)
    if "kind" not in fields:
        raise ConfigurationError(f"{where}.kind: missing; accepted: {', '.join(registry)}")
    member = registry.member(fields["kind"], f"{where}.kind")
    return check_keys(fields, where, ("kind", *member.model_fields, *besides))


def named(config: object, section: str, read: Callable[[Any, str], T]) -> dict[str, T]:
    """A mapping of the user's own names; only `attacks` and `transfer` may be empty."""
    entries = mapping_of(config, section)
    if not entries and section not in ("attacks", "transfer"):
        raise ConfigurationError(f"{section}: at least one is needed")
    return {name_of(name, section): read(entry, f"{section}.{name}") for name, entry in entries.items()}


def name_of(name: object, where: str) -> str:
    """A name that may be part of a path and of a `--set`."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ConfigurationError(f"{where}: a name has letters, digits, '-', '_' and '+' only, not {name!r}")
    return name


def mapping_of(config: object, where: str) -> dict[str, Any]:
    """Any mapping, as a dictionary of its own."""
    if not isinstance(config, Mapping):
        raise ConfigurationError(f"{where}: expected a mapping, not {config!r}")
    return dict(config)


def one_of(name: object, where: str, known: Mapping[str, Any]) -> str:
    """A name among those that are `known`."""
    if not isinstance(name, str) or name not in known:
        raise ConfigurationError(f"{where}: there is no {name!r}; {choices(str(name), list(known))}")
    return name


def section_of(model: type[S], config: object, where: str) -> S:
    """A section that is plain fields; left out, its defaults."""
    fields = {} if config is None else check_keys(config, where, model.model_fields)
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise ConfigurationError(explain(error, where, model)) from None


def value_of(kind: Any, value: object, where: str, minimum: int | None = None) -> Any:
    """A value of a type, at least `minimum`."""
    try:
        read = TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        raise ConfigurationError(explain(error, where, Section)) from None
    if minimum is not None and read < minimum:
        raise ConfigurationError(f"{where}: expected at least {minimum}, not {read}")
    return read


def optional(kind: Any, value: object, where: str, minimum: int | None = None) -> Any:
    """As `value_of`, or nothing."""
    return None if value is None else value_of(kind, value, where, minimum)
