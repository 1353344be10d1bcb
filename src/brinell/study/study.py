"""`Study`: what to compute, as one frozen value that was checked in full before anything is computed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, ValidationError, ValidationInfo, field_serializer, field_validator

from brinell.attacks import Attack
from brinell.core import ConfigurationError, explain, validation_error
from brinell.core.problems import error_details
from brinell.probes import PROBES
from brinell.study.config import (
    AttackEntry,
    Data,
    DefinedNames,
    Model,
    Paper,
    ProbeEntry,
    RuntimeKind,
    Section,
    Seeds,
    TransferEntry,
    VariantEntry,
)
from brinell.study.config.limits import Limit
from brinell.study.config.probes import read_probes
from brinell.study.config.requirements import check_limit, read_requirements
from brinell.study.config.section import Count, Name, is_transfer, optional_field
from brinell.study.reading import find, override, parse_yaml, read_text
from brinell.study.validate import problems_between_sections

_OPTIONAL = ("attacks", "transfer", "probes", "seeds", "paper", "requirements", "limits")
"""Sections that may be empty: nothing, or a mapping without keys."""


def _is_empty(section: object) -> bool:
    return section is None or (isinstance(section, Mapping) and not section)


class Study(Section):
    """Variants, attacks, the data they meet on, and the seeds; `source` is the text it was read from."""

    name: Name
    data: Data
    models: Annotated[dict[Name, Model], Field(min_length=1)]
    variants: Annotated[dict[Name, VariantEntry], Field(min_length=1)]
    attacks: dict[Name, AttackEntry] = Field({})
    transfers: dict[Name, TransferEntry] = Field({}, alias="transfer")
    probes: dict[str, ProbeEntry] = Field({})
    seeds: Seeds = Seeds()
    block: Count = 250
    """Examples a block: what one task computes, one file holds, and a kill may lose."""
    runtime: RuntimeKind = optional_field("reference")
    """What judges every variant, and what attacks through scores ask."""
    paper: Paper | None = optional_field()
    requirements: Annotated[tuple[str, ...], BeforeValidator(read_requirements)] = optional_field(())
    """Conditions that the variants must meet; `brinell run` exits with 3 where one is not met."""
    limits: dict[Name, Limit] = optional_field({})
    """Searches for the smallest network of each family of compression that keeps conditions."""
    source: str = Field("", exclude=True)

    @classmethod
    def from_yaml(cls, study: str | Path, overrides: Iterable[str] = ()) -> Self:
        """Read a YAML file, or a study that ships by its name, changed by `dotted.path=value` overrides.

        Raises:
            ConfigurationError: every problem of the file, a line each: the place in it, what stands there and what
                would be accepted.
        """
        path, overrides = find(study), tuple(overrides)
        text = read_text(path)
        config = override(parse_yaml(text, str(path)), overrides)
        header = "".join(f"# brinell run --set {setting}\n" for setting in overrides)
        try:
            return cls.parse(config, name=path.stem, source=header + text)
        except ConfigurationError as error:
            lines = "\n".join(f"{path}: {line}" for line in str(error).splitlines())
            raise ConfigurationError(lines) from None

    @classmethod
    def parse(cls, config: object, *, name: str = "study", source: str = "") -> Self:
        """Read the mapping that a YAML file holds; `name` is used where it gives none.

        Raises:
            ConfigurationError: every problem, a line each: the place, what stands there and what would be accepted.
        """
        if not isinstance(config, Mapping):
            raise ConfigurationError(f"study: expected a mapping of {', '.join(cls.accepted_keys())}, not {config!r}")
        names = DefinedNames.of(config)
        given = {key: value for key, value in config.items() if key not in _OPTIONAL or not _is_empty(value)}
        problems = problems_between_sections(names)
        try:
            study = cls.model_validate({"name": name, **given, "source": source}, context=names)
        except ValidationError as error:
            problems = [*error_details(error), *problems]
        if problems:
            raise ConfigurationError(explain(validation_error(problems), "", cls))
        return study

    def config(self) -> dict[str, Any]:
        """The resolved mapping, JSON-able, that `parse` reads back into an equal study."""
        return self.model_dump(mode="json", by_alias=True)

    @field_validator("variants")
    @classmethod
    def _hold_out(cls, variants: dict[str, VariantEntry], info: ValidationInfo) -> dict[str, VariantEntry]:
        data = info.data.get("data")
        return {name: entry.holding_out(data.train.holdout if data else 0) for name, entry in variants.items()}

    @field_validator("transfers", mode="wrap")
    @classmethod
    def _one_transfer_or_several(cls, value: Any, handler: Callable[[Any], Any], info: ValidationInfo) -> Any:
        """One entry needs no name: it is called `transfer`."""
        if is_transfer(value):
            return {"transfer": TransferEntry.model_validate(value, context=info.context)}
        return handler(value)

    @field_validator("probes", mode="wrap")
    @classmethod
    def _complete_probes(cls, value: Any, handler: Callable[[Any], Any], info: ValidationInfo) -> Any:
        attacks: dict[str, list[Attack]] = {name: [] for name in (info.context or DefinedNames()).attacks}
        attacks |= {name: entry.attacks for name, entry in info.data.get("attacks", {}).items()}
        attacks |= {name: entry.attack.attacks for name, entry in info.data.get("transfers", {}).items()}
        return read_probes(value, handler, attacks)

    @field_validator("limits")
    @classmethod
    def _decidable(cls, limits: dict[str, Limit], info: ValidationInfo) -> dict[str, Limit]:
        problems = [problem for name, limit in limits.items() for problem in check_limit(name, limit, info.data)]
        if problems:
            raise validation_error(problems)
        return limits

    @field_serializer("probes", mode="wrap")
    def _say_which_are_not_asked(self, probes: dict[str, ProbeEntry], handler: Callable[[Any], Any]) -> dict[str, Any]:
        """Probes that a study runs unless it says no are written as `false`."""
        left_out = {kind: False for kind in PROBES if PROBES[kind].joins_gradient_attacks and kind not in probes}
        return {**left_out, **handler(probes)}
