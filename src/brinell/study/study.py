"""`Study`: what to compute, as one frozen value that was checked in full before anything is computed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from brinell.core import ConfigurationError, PlannedPaper
from brinell.study.attack_sections import write_attack, write_transfer
from brinell.study.entries import AttackEntry, Data, Model, ProbeEntry, Seeds, TransferEntry, VariantEntry
from brinell.study.probe_sections import write_probe
from brinell.study.reading import find, override, parse
from brinell.study.sections import read_study, write_data, write_model, write_variant


@dataclass(frozen=True)
class Study:
    """Variants, attacks, the data they meet on, and the seeds; `source` is the text it was read from."""

    name: str
    data: Data
    models: Mapping[str, Model]
    variants: Mapping[str, VariantEntry]
    attacks: Mapping[str, AttackEntry]
    transfers: Mapping[str, TransferEntry]
    probes: Mapping[str, ProbeEntry]
    seeds: Seeds
    block: int
    """Examples a block: what one task computes, one file holds, and a kill may lose."""
    runtime: str = "reference"
    """What judges every variant, and what attacks through scores ask."""
    source: str = ""
    paper: PlannedPaper | None = None
    """What it reproduces; for the report alone."""

    @classmethod
    def from_yaml(cls, study: str | Path, overrides: Iterable[str] = ()) -> Self:
        """Read a YAML file, or a study that ships by its name, changed by `dotted.path=value` overrides.

        Raises:
            ConfigurationError: the file, the place in it, what stands there and what would be accepted.
        """
        path, overrides = find(study), tuple(overrides)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"cannot read {path}: {error}") from None
        config = override(parse(text, str(path)), overrides)
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
            ConfigurationError: the place inside it, what stands there and what would be accepted.
        """
        return cls(**read_study(config, name), source=source)

    def config(self) -> dict[str, Any]:
        """The resolved mapping, JSON-able, that `parse` reads back into an equal study."""
        return {
            "name": self.name,
            "data": write_data(self.data),
            "models": {name: write_model(model) for name, model in self.models.items()},
            "variants": {name: write_variant(entry) for name, entry in self.variants.items()},
            "attacks": {name: write_attack(entry) for name, entry in self.attacks.items()},
            "transfer": {name: write_transfer(entry) for name, entry in self.transfers.items()},
            "probes": self._probes(),
            "seeds": self.seeds.model_dump(mode="json"),
            "block": self.block,
            **({} if self.runtime == "reference" else {"runtime": self.runtime}),
            **({} if self.paper is None else {"paper": self.paper.model_dump()}),
        }

    def _probes(self) -> dict[str, Any]:
        """Those that are asked; masking is asked unless it is said not to be."""
        asked: dict[str, Any] = {kind: write_probe(entry) for kind, entry in self.probes.items()}
        return asked if "masking" in asked else {"masking": False, **asked}
