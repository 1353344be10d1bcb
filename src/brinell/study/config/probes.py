"""`probes`: one entry a kind, completed with what the study's attacks decide."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field, ValidationError

from brinell.attacks import Attack
from brinell.core import choices, validation_error, validation_problem
from brinell.core.problems import at_location, error_details
from brinell.probes import PROBES, Probe
from brinell.study.config.section import INLINE, Section, VariantNames, optional_field


class ProbeEntry(Section):
    """One probe, and the variants that it is run on; `None` is all of them."""

    probe: Annotated[Probe, PROBES] = Field(alias=INLINE)
    variants: VariantNames = optional_field()


def read_probes(
    value: Any, read: Callable[[Any], dict[str, ProbeEntry]], attacks: Mapping[str, Sequence[Attack]]
) -> dict[str, ProbeEntry]:
    """Entries in the order of `PROBES`, read by `read`.

    `attacks` are the study's by name, each at all of its points; an attack that is not valid has none.
    """
    if not isinstance(value, Mapping):
        return read(value)
    gradient = "gradient" in {swept[0].needs for swept in attacks.values() if swept}
    defaults = [kind for kind in PROBES if gradient and PROBES[kind].joins_gradient_attacks]
    given = {**dict.fromkeys(defaults, True), **value}
    problems = [
        validation_problem(f"unknown key; {choices(kind, list(PROBES))}", kind) for kind in given if kind not in PROBES
    ]
    entries: dict[str, Any] = {}
    for kind in PROBES:
        if given.get(kind, False) is not False:
            try:
                entries[kind] = _completed(kind, given[kind], attacks)
            except ValidationError as error:
                problems += [at_location(problem, (kind, *problem.get("loc", ()))) for problem in error_details(error)]
    try:
        found = read({kind: entry for kind, entry in entries.items() if entry is not None})
    except ValidationError as error:
        problems += error_details(error)
    if problems:
        raise validation_error(problems)
    return found


def _completed(kind: str, value: Any, attacks: Mapping[str, Sequence[Attack]]) -> dict[str, Any] | None:
    settings = {} if value is None or value is True else value
    if not isinstance(settings, Mapping):
        raise validation_error([validation_problem(f"expected a mapping, not {value!r}")])
    if settings.get("kind", kind) != kind:
        raise validation_error([validation_problem(f"there is no {settings['kind']!r}; accepted: {kind}", "kind")])
    completed = PROBES[kind].completed(settings, attacks)
    return None if completed is None else {"kind": kind, **completed}
