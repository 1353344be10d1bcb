"""Sections of a study's mapping, read into values and written back; every refusal names its place."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from brinell.attacks import ATTACKS, Attack
from brinell.compressors import COMPRESSORS, Compressor
from brinell.core import ConfigurationError, Point, Registry, explain
from brinell.core.spec import choices
from brinell.data import DATASETS
from brinell.models import MODELS
from brinell.study.entries import AttackEntry, Data, Model, Section, Seeds, TestSplit, TrainSplit, VariantEntry
from brinell.study.reading import check_keys
from brinell.training import Train

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_+-]*")
_NARROWING = ("sweep", "examples", "seeds", "variants", "trace_every")
_BLOCK = 250
_SECTIONS = ("name", "data", "models", "variants", "attacks", "seeds", "block")

T = TypeVar("T")
S = TypeVar("S", bound=Section)


def read_study(config: object, name: str) -> dict[str, Any]:
    """The fields of a `Study`, by name."""
    config = check_keys(config, "", _SECTIONS)
    for section in ("data", "models", "variants"):
        if section not in config:
            raise ConfigurationError(f"{section}: missing; a study has {', '.join(_SECTIONS)}")
    data = _data(config["data"])
    models = _named(config["models"], "models", _model)
    held = data.train.holdout
    variants = _named(config["variants"], "variants", lambda entry, where: _variant(entry, where, models, held))
    _check_parents(variants)
    attacks = _named(config.get("attacks") or {}, "attacks", lambda entry, where: _attack(entry, where, variants))
    if "clean" in attacks:
        raise ConfigurationError(
            "attacks.clean: the name is taken by the predictions without an attack; choose another"
        )
    return {
        "name": _name(config.get("name", name), "name"),
        "data": data,
        "models": models,
        "variants": variants,
        "attacks": attacks,
        "seeds": _section(Seeds, config.get("seeds"), "seeds"),
        "block": _value(int, config.get("block", _BLOCK), "block", minimum=1),
    }


def _data(config: object) -> Data:
    fields = _fields(config, "data", DATASETS, ("train", "test"))
    train = _section(TrainSplit, fields.pop("train", None), "data.train")
    test = _section(TestSplit, fields.pop("test", None), "data.test")
    if train.split == test.split:
        raise ConfigurationError(
            f"data.test.split: {test.split!r} is what variants are trained on; judging needs images they never saw"
        )
    return Data(DATASETS.parse(fields, "data"), train, test)


def _model(config: object, where: str) -> Model:
    fields = _fields(config, where, MODELS, ("weights",))
    weights = fields.pop("weights", None)
    path = None if weights is None else Path(_value(str, weights, f"{where}.weights"))
    if path is not None and not path.is_file():
        raise ConfigurationError(f"{where}.weights: no file at {path}")
    return Model(MODELS.parse(fields, where), path)


def _variant(config: object, where: str, models: Mapping[str, Model], held: int) -> VariantEntry:
    fields = check_keys(config, where, ("model", "train", "from", "compress"))
    if ("model" in fields) == ("from" in fields):
        raise ConfigurationError(f"{where}: expected either {{model, train}} or {{from, compress}}, not {fields}")
    if "model" in fields:
        if "compress" in fields:
            raise ConfigurationError(f"{where}.compress: only a variant is compressed; make one of the model first")
        model = _chosen(fields["model"], f"{where}.model", models)
        train = None if fields.get("train") is None else _train(fields["train"], f"{where}.train", held)
        if train is None and models[model].weights is None:
            raise ConfigurationError(
                f"{where}: it would be random: give it train, or models.{model}.weights a checkpoint"
            )
        return VariantEntry(model=model, train=train)
    if "train" in fields:
        raise ConfigurationError(f"{where}.train: a compressor trains by its own settings: {where}.compress.train")
    if "compress" not in fields:
        raise ConfigurationError(f"{where}.compress: missing; accepted: {', '.join(COMPRESSORS)}")
    parent = _value(str, fields["from"], f"{where}.from")
    return VariantEntry(parent=parent, compressor=_compressor(fields["compress"], f"{where}.compress", held))


def _compressor(config: object, where: str, held: int) -> Compressor:
    fields = _fields(config, where, COMPRESSORS, ())
    compressor = COMPRESSORS.parse(fields, where)
    train = getattr(compressor, "train", None)
    if train is None:
        return compressor
    return compressor.model_copy(update={"train": _holding_out(train, fields.get("train"), held)})


def _train(config: object, where: str, held: int) -> Train:
    fields = _mapping(config, where)
    return _holding_out(Train.parse(fields, where), fields, held)


def _holding_out(train: Train, fields: object, held: int) -> Train:
    """`train` with the study's `data.train.holdout`, unless its own `fields` say how many."""
    said = isinstance(fields, Mapping) and "holdout" in fields
    return train if said else train.model_copy(update={"holdout": held})


def _check_parents(variants: Mapping[str, VariantEntry]) -> None:
    for name, entry in variants.items():
        if entry.parent is not None:
            _chosen(entry.parent, f"variants.{name}.from", variants)
    for name in variants:
        line, at = [name], variants[name].parent
        while at is not None:
            if at in line:
                circle = " -> ".join([*line[line.index(at) :], at])
                raise ConfigurationError(f"variants.{at}.from: variants are made from each other in a circle: {circle}")
            line.append(at)
            at = variants[at].parent


def _attack(config: object, where: str, variants: Mapping[str, VariantEntry]) -> AttackEntry:
    fields = _fields(config, where, ATTACKS, _NARROWING)
    narrow = {name: fields.pop(name, None) for name in _NARROWING}
    member = ATTACKS.member(fields.get("kind"), f"{where}.kind")
    sweep = _sweep(narrow["sweep"], where, fields, member)
    attack, points = _points(sweep, where, fields, member)
    chosen = narrow["variants"]
    if chosen is not None:
        names = _value(tuple[str, ...], chosen, f"{where}.variants")
        chosen = tuple(_chosen(name, f"{where}.variants", variants) for name in names)
    trace_every = _optional(int, narrow["trace_every"], f"{where}.trace_every", minimum=1)
    if trace_every is not None and not member.traceable:
        raise ConfigurationError(f"{where}.trace_every: {member.kind} has no steps to trace")
    return AttackEntry(
        attack=attack,
        points=points,
        sweep=sweep,
        examples=_optional(int, narrow["examples"], f"{where}.examples", minimum=1),
        seeds=_optional(tuple[int, ...], narrow["seeds"], f"{where}.seeds"),
        variants=chosen,
        trace_every=trace_every,
    )


def _sweep(
    config: object, where: str, fields: Mapping[str, Any], member: type[Attack]
) -> dict[str, tuple[float | int, ...]]:
    """The swept values in ascending order, each checked with all the others at their first."""
    swept = check_keys(config or {}, f"{where}.sweep", sorted(member.sweepable))
    for name, values in swept.items():
        if name in fields:
            raise ConfigurationError(f"{where}.{name}: it is swept too (sweep.{name}: {values}); keep one of the two")
        if not isinstance(values, list) or not values:
            raise ConfigurationError(f"{where}.sweep.{name}: expected a list of values, not {values!r}")
    for name, value in fields.items():
        if isinstance(value, list) and name in member.sweepable:
            raise ConfigurationError(f"{where}.{name}: a list; swept values stand under {where}.sweep.{name}")
    first = {name: values[0] for name, values in swept.items()}
    found = {}
    for name, values in swept.items():
        read = [getattr(_swept(member, {**fields, **first, name: value}, where, swept), name) for value in values]
        found[name] = tuple(sorted(set(read)))
    return found


def _points(
    sweep: Mapping[str, tuple[float | int, ...]], where: str, fields: Mapping[str, Any], member: type[Attack]
) -> tuple[Attack, tuple[Point, ...]]:
    """The attack at its first point, and all points in ascending order."""
    combinations = itertools.product(*sweep.values())
    attacks = [
        _swept(member, {**fields, **dict(zip(sweep, values, strict=True))}, where, sweep) for values in combinations
    ]
    return attacks[0], tuple(dict.fromkeys(attack.point for attack in attacks))


def _swept(member: type[Attack], fields: Mapping[str, Any], where: str, swept: Mapping[str, Any]) -> Attack:
    try:
        return member.parse(fields, where)
    except ConfigurationError as error:
        message = str(error)
        for name in swept:
            message = message.replace(f"{where}.{name}:", f"{where}.sweep.{name}:")
        raise ConfigurationError(message) from None


# Small readers


def _fields(config: object, where: str, registry: Registry[Any], besides: tuple[str, ...]) -> dict[str, Any]:
    """`config` with a known kind, and no key that neither the kind nor the study has."""
    fields = {"kind": config} if isinstance(config, str) else _mapping(config, where)
    if "kind" not in fields:
        raise ConfigurationError(f"{where}.kind: missing; accepted: {', '.join(registry)}")
    member = registry.member(fields["kind"], f"{where}.kind")
    return check_keys(fields, where, ("kind", *member.model_fields, *besides))


def _named(config: object, section: str, read: Callable[[Any, str], T]) -> dict[str, T]:
    entries = _mapping(config, section)
    if not entries and section != "attacks":
        raise ConfigurationError(f"{section}: at least one is needed")
    return {_name(name, section): read(entry, f"{section}.{name}") for name, entry in entries.items()}


def _name(name: object, where: str) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ConfigurationError(f"{where}: a name has letters, digits, '-', '_' and '+' only, not {name!r}")
    return name


def _mapping(config: object, where: str) -> dict[str, Any]:
    if not isinstance(config, Mapping):
        raise ConfigurationError(f"{where}: expected a mapping, not {config!r}")
    return dict(config)


def _chosen(name: object, where: str, known: Mapping[str, Any]) -> str:
    if not isinstance(name, str) or name not in known:
        raise ConfigurationError(f"{where}: there is no {name!r}; {choices(str(name), list(known))}")
    return name


def _section(model: type[S], config: object, where: str) -> S:
    fields = {} if config is None else check_keys(config, where, model.model_fields)
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise ConfigurationError(explain(error, where, model)) from None


def _value(kind: Any, value: object, where: str, minimum: int | None = None) -> Any:
    try:
        read = TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        raise ConfigurationError(explain(error, where, Section)) from None
    if minimum is not None and read < minimum:
        raise ConfigurationError(f"{where}: expected at least {minimum}, not {read}")
    return read


def _optional(kind: Any, value: object, where: str, minimum: int | None = None) -> Any:
    return None if value is None else _value(kind, value, where, minimum)


# The way back


def write_data(data: Data) -> dict[str, Any]:
    """The mapping that `read_study` reads under `data`."""
    fields = {name: str(value) if isinstance(value, Path) else value for name, value in data.source.config().items()}
    return {**fields, "train": data.train.model_dump(), "test": data.test.model_dump()}


def write_model(model: Model) -> dict[str, Any]:
    """An entry under `models`."""
    return {**model.architecture.config(), "weights": None if model.weights is None else str(model.weights)}


def write_variant(entry: VariantEntry) -> dict[str, Any]:
    """An entry under `variants`."""
    if entry.compressor is not None:
        return {"from": entry.parent, "compress": entry.compressor.config()}
    return {"model": entry.model, "train": None if entry.train is None else entry.train.config()}


def write_attack(entry: AttackEntry) -> dict[str, Any]:
    """An entry under `attacks`."""
    fields = {name: value for name, value in entry.attack.config().items() if name not in entry.sweep}
    narrow = {name: getattr(entry, name) for name in _NARROWING if name != "sweep"}
    kept = {
        name: list(value) if isinstance(value, tuple) else value for name, value in narrow.items() if value is not None
    }
    sweep = {name: list(values) for name, values in entry.sweep.items()}
    return {**fields, **({"sweep": sweep} if sweep else {}), **kept}
