"""`probes` of a study's mapping, read into values and written back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from brinell.attacks import Attack
from brinell.core import ConfigurationError
from brinell.probes import PROBES
from brinell.study.attack_sections import names_of
from brinell.study.entries import AttackEntry, ProbeEntry, TransferEntry, VariantEntry
from brinell.study.fields import fields_of, mapping_of, one_of
from brinell.study.reading import check_keys

_EPSILON: Final = 8 / 255
"""Where the study has no radius of its own to ask at."""


def read_probes(
    config: object,
    variants: Mapping[str, VariantEntry],
    attacks: Mapping[str, AttackEntry],
    transfers: Mapping[str, TransferEntry],
) -> dict[str, ProbeEntry]:
    """Entries by kind, in the order of `PROBES`; masking is asked unless it is false or no attack needs a gradient.

    Raises:
        ConfigurationError: the place, what stands there and what would be accepted.
    """
    entries = check_keys(config or {}, "probes", PROBES)
    used = [*attacks.values(), *(entry.attack for entry in transfers.values())]
    if any(entry.attack.needs == "gradient" for entry in used):
        entries.setdefault("masking", True)
    found = {}
    for kind in PROBES:
        if kind in entries and entries[kind] is not False:
            found[kind] = _probe(kind, entries[kind], f"probes.{kind}", variants, attacks, used)
    return found


def _probe(
    kind: str,
    config: object,
    where: str,
    variants: Mapping[str, VariantEntry],
    attacks: Mapping[str, AttackEntry],
    used: list[AttackEntry],
) -> ProbeEntry:
    settings = {} if config is None or config is True else mapping_of(config, where)
    one_of(settings.get("kind", kind), f"{where}.kind", {kind: None})
    fields = fields_of({**settings, "kind": kind}, where, PROBES, ("variants",))
    narrowed = names_of(fields.pop("variants", None), f"{where}.variants", variants)
    if kind == "masking":
        fields.setdefault("epsilon", _radius(used))
    if kind == "gallery":
        fields |= _pictured(fields.get("attack"), where, attacks)
    return ProbeEntry(PROBES.parse(fields, where), narrowed)


def _radius(used: list[AttackEntry]) -> float:
    """The middle one of the linf radii that the gradient attacks are read at."""
    radii = {
        point.epsilon
        for entry in used
        if entry.attack.needs == "gradient" and entry.attack.distance_norm == "linf"
        for point in entry.points
        if point.epsilon
    }
    return sorted(radii)[(len(radii) - 1) // 2] if radii else _EPSILON


def _pictured(attack: object, where: str, attacks: Mapping[str, AttackEntry]) -> dict[str, Any]:
    """The attack of a gallery: one of the study's at its last point (the first one by default), or one of its own."""
    if isinstance(attack, Mapping):
        return {"attack": attack}
    if not attacks and attack is None:
        raise ConfigurationError(f"{where}.attack: missing; the study has no attack to show")
    name = next(iter(attacks)) if attack is None else one_of(attack, f"{where}.attack", attacks)
    entry = attacks[name]
    strongest: Attack = entry.attack.at(entry.points[-1])
    return {"attack": strongest.config(), "name": name}


def write_probe(entry: ProbeEntry) -> dict[str, Any]:
    """An entry under `probes`."""
    narrowed = {} if entry.variants is None else {"variants": list(entry.variants)}
    return {**entry.probe.config(), **narrowed}
