"""`attacks` and `transfer` of a study's mapping, read into values and written back."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping
from typing import Any

from brinell.attacks import ATTACKS, Attack
from brinell.core import ConfigurationError, Point
from brinell.study.entries import AttackEntry, TransferEntry, VariantEntry
from brinell.study.fields import fields_of, mapping_of, named, one_of, optional, value_of
from brinell.study.reading import check_keys
from brinell.variants import VIEWS

_SHARED = ("examples", "seeds", "view")
"""What attacks and transfers are narrowed by alike."""
_NARROWING = ("sweep", "variants", "trace_every", *_SHARED)
_TRANSFER = ("attack", "sources", "targets", *_SHARED)


def read_attack(config: object, where: str, variants: Mapping[str, VariantEntry]) -> AttackEntry:
    """An entry under `attacks`."""
    fields = fields_of(config, where, ATTACKS, _NARROWING)
    narrow = {name: fields.pop(name, None) for name in _NARROWING}
    member = ATTACKS.member(fields.get("kind"), f"{where}.kind")
    sweep = _sweep(narrow["sweep"], where, fields, member)
    attack, points = _points(sweep, where, fields, member)
    trace_every = optional(int, narrow["trace_every"], f"{where}.trace_every", minimum=1)
    if trace_every is not None and not member.traceable:
        raise ConfigurationError(f"{where}.trace_every: {member.kind} has no steps to trace")
    return AttackEntry(
        attack=attack,
        points=points,
        sweep=sweep,
        variants=names_of(narrow["variants"], f"{where}.variants", variants),
        trace_every=trace_every,
        **_narrowed(narrow, where),
    )


def read_transfers(
    config: object, variants: Mapping[str, VariantEntry], taken: Collection[str]
) -> dict[str, TransferEntry]:
    """`transfer`: one entry, which is then named `transfer`, or several by name; `taken` are names of attacks.

    Raises:
        ConfigurationError: the place, what stands there and what would be accepted.
    """
    entries = mapping_of(config or {}, "transfer")
    if isinstance(attack := entries.get("attack"), str) or (isinstance(attack, Mapping) and "kind" in attack):
        found = {"transfer": _transfer(entries, "transfer", variants)}
    else:
        found = named(entries, "transfer", lambda entry, where: _transfer(entry, where, variants))
    for name in found:
        if name in taken:
            raise ConfigurationError(f"transfer.{name}: the name is taken by an attack; choose another")
    return found


def _transfer(config: object, where: str, variants: Mapping[str, VariantEntry]) -> TransferEntry:
    fields = check_keys(config, where, _TRANSFER)
    if "attack" not in fields:
        raise ConfigurationError(f"{where}.attack: missing; accepted: {', '.join(ATTACKS)}")
    place = f"{where}.attack"
    settings = fields_of(fields["attack"], place, ATTACKS, ("sweep",))
    member = ATTACKS.member(settings["kind"], f"{place}.kind")
    sweep = _sweep(settings.pop("sweep", None), place, settings, member)
    attack, points = _points(sweep, place, settings, member)
    return TransferEntry(
        attack=AttackEntry(attack=attack, points=points, sweep=sweep, **_narrowed(fields, where)),
        sources=names_of(fields.get("sources"), f"{where}.sources", variants),
        targets=names_of(fields.get("targets"), f"{where}.targets", variants),
    )


def _narrowed(fields: Mapping[str, Any], where: str) -> dict[str, Any]:
    view = optional(str, fields.get("view"), f"{where}.view")
    return {
        "examples": optional(int, fields.get("examples"), f"{where}.examples", minimum=1),
        "seeds": optional(tuple[int, ...], fields.get("seeds"), f"{where}.seeds"),
        "view": None if view is None else one_of(view, f"{where}.view", dict.fromkeys(VIEWS)),
    }


def names_of(config: object, where: str, variants: Mapping[str, VariantEntry]) -> tuple[str, ...] | None:
    """Names of variants; `None` for all of them."""
    if config is None or config == "all":
        return None
    names = (config,) if isinstance(config, str) else value_of(tuple[str, ...], config, where)
    if not names:
        raise ConfigurationError(f"{where}: at least one is needed; 'all' stands for every variant")
    return tuple(dict.fromkeys(one_of(name, where, variants) for name in names))


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


def write_attack(entry: AttackEntry) -> dict[str, Any]:
    """An entry under `attacks`."""
    return {**_write_settings(entry), **_write_narrowing(entry, _NARROWING[1:])}


def write_transfer(entry: TransferEntry) -> dict[str, Any]:
    """An entry under `transfer`, where each has its name."""
    places = {
        name: "all" if names is None else list(names)
        for name, names in (("sources", entry.sources), ("targets", entry.targets))
    }
    return {"attack": _write_settings(entry.attack), **places, **_write_narrowing(entry.attack, _SHARED)}


def _write_settings(entry: AttackEntry) -> dict[str, Any]:
    fields = {name: value for name, value in entry.attack.config().items() if name not in entry.sweep}
    sweep = {name: list(values) for name, values in entry.sweep.items()}
    return {**fields, **({"sweep": sweep} if sweep else {})}


def _write_narrowing(entry: AttackEntry, names: Collection[str]) -> dict[str, Any]:
    narrow = {name: getattr(entry, name) for name in names}
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in narrow.items() if value is not None
    }
