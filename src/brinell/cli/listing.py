"""`brinell list`: what there is to choose from."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from enum import StrEnum
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from rich.table import Table
from rich.text import Text

from brinell.cli.display.console import Debug, out
from brinell.core import Registry

HELP = """List the attacks, compressors, models, data sets, probes, runtimes or studies that exist; with a KIND, its
settings, and with the name of a study, its text.

[bold]Examples[/]

$ brinell list attacks

$ brinell list attacks pgd

$ brinell list studies quickstart
"""


class Family(StrEnum):
    """What can be listed."""

    attacks = "attacks"
    compressors = "compressors"
    models = "models"
    datasets = "datasets"
    probes = "probes"
    runtimes = "runtimes"
    studies = "studies"


def list_members(
    family: Annotated[Family, typer.Argument(metavar="FAMILY", help=", ".join(Family))],
    kind: Annotated[str | None, typer.Argument(metavar="KIND", help="Show this one's settings.")] = None,
    debug: Debug = False,
) -> None:
    """See `HELP`."""
    if family is Family.studies:
        _list_studies(kind)
        return
    registry = _registry(family)
    if kind is None:
        _print((name, _summary(registry[name])) for name in registry)
        return
    member = registry[kind]
    out.print(inspect.getdoc(member) or "", markup=False)
    _print(_fields(member, ""))


def _list_studies(name: str | None) -> None:
    """All that ship, or the text of one."""
    from brinell.study.reading import find

    if name is None:
        _print(_studies())
    else:
        out.print(find(name).read_text(encoding="utf-8"), end="", markup=False, soft_wrap=True)


def _fields(member: type[BaseModel], above: str, within: BaseModel | None = None) -> Iterable[tuple[str, str]]:
    """The settings, those of settings that are mappings below them; `within` is a value that has their defaults."""
    for name, info in member.model_fields.items():
        default = info.get_default(call_default_factory=True) if within is None else getattr(within, name)
        yield f"{above}{name}", _field(info, default, required=within is None and info.is_required())
        for inner in _nested(info.annotation):
            yield from _fields(inner, f"{above}{name}.", default if isinstance(default, inner) else None)


def _nested(annotation: Any) -> list[type[BaseModel]]:
    """The models with settings of their own that an annotation names; members of registries have `kind`s instead."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [] if inspect.isabstract(annotation) else [annotation]
    return [model for part in get_args(annotation) if part is not annotation for model in _nested(part)]


def _registry(family: Family) -> Registry[Any]:
    if family is Family.attacks:
        from brinell.attacks import ATTACKS

        return ATTACKS
    if family is Family.compressors:
        from brinell.compressors import COMPRESSORS

        return COMPRESSORS
    if family is Family.models:
        from brinell.container import STUDY_NETWORKS

        return STUDY_NETWORKS
    if family is Family.probes:
        from brinell.probes import PROBES

        return PROBES
    if family is Family.runtimes:
        from brinell.runtimes import RUNTIMES

        return RUNTIMES
    from brinell.data import DATASETS

    return DATASETS


def _studies() -> Iterable[tuple[str, str]]:
    from brinell.study.reading import LIBRARY, shipped

    for name in shipped():
        first = (LIBRARY / f"{name}.yaml").read_text(encoding="utf-8").splitlines()[0]
        yield name, first.removeprefix("#").strip()


def _summary(member: type) -> str:
    return (inspect.getdoc(member) or "").splitlines()[0]


def _field(info: FieldInfo, default: Any, *, required: bool) -> str:
    """What is accepted, and what it is where nothing is said."""
    said = "required" if required else f"default {_value(default)}"
    limits = " ".join(_limit(mark) for mark in info.metadata if _limit(mark))
    return f"{' '.join(part for part in (_type(info.annotation), limits) if part)}; {said}"


def _type(annotation: Any) -> str:
    """A type as a reader of YAML would say it."""
    origin, inside = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(inside[0])
    if origin is Literal:
        return " | ".join(map(str, inside))
    if origin in (Union, UnionType):
        return " | ".join(_type(part) for part in inside)
    if origin is tuple:
        return f"list of {_type(inside[0])}"
    if annotation is type(None):
        return "null"
    return str(getattr(annotation, "__name__", annotation))


def _limit(mark: Any) -> str:
    signs = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
    return " ".join(f"{sign} {getattr(mark, name)}" for name, sign in signs.items() if hasattr(mark, name))


def _value(default: Any) -> str:
    if isinstance(default, BaseModel):
        given = {
            name: getattr(default, name) for name in type(default).model_fields if name in default.model_fields_set
        }
        return f"{{{', '.join(f'{name}: {_value(value)}' for name, value in given.items())}}}"
    return "null" if default is None else str(default)


def _print(rows: Iterable[tuple[str, str]]) -> None:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True, style="bold")
    table.add_column()
    for name, text in rows:
        table.add_row(name, Text(text))
    out.print(table)
