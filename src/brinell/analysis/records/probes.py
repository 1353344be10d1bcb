"""What the probes found: their records, checked; a record that is not what it should be is left out and said."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Generic, Literal, TypeVar

import polars as pl
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from brinell.analysis.coverage import CoverageStatus, failure_of, failure_status
from brinell.analysis.records.json_record import JsonRecord
from brinell.analysis.rows import first_line
from brinell.core import BrinellError, PlannedProbe, StoreError, StudyPlan, explain
from brinell.store import Failure, RunStore


class ProbeRecord(JsonRecord):
    """What one kind of probe writes."""

    kind: ClassVar[str]
    """The probe's kind."""


class Evidence(JsonRecord):
    """One check of the masking probe; `value` beyond `threshold` is suspicious."""

    check: str
    value: float | None = None
    threshold: float | None = None
    suspicious: bool
    says: str


class Masking(ProbeRecord):
    """Whether a variant's gradients are masked, and why."""

    kind: ClassVar[str] = "masking"

    masked: bool
    summary: str
    examples: int
    epsilon: float
    evidence: tuple[Evidence, ...]


class ShownExample(JsonRecord):
    """The example that is pictured."""

    example_id: int
    label: int


class MapReading(JsonRecord):
    """Activation maps after `steps` of the attack (0: clean); intensities on 0 to 255."""

    steps: int
    prediction: int
    third_quartile: float
    mean: float | None = None
    low: float | None = None
    high: float | None = None
    examples: int | None = None


class ActivationMaps(ProbeRecord):
    """Class activation maps along an attack. `third_quartile` is of the one shown, `mean` (95 % `low` to `high`) of
    many."""

    kind: ClassVar[str] = "activation_maps"

    method: str
    layer: str
    attack: str
    shown: ShownExample
    readings: tuple[MapReading, ...]


class LatencyReading(JsonRecord):
    """Milliseconds a batch takes in a runtime."""

    runtime: str
    batch: int
    median_ms: float
    low_ms: float | None = None
    high_ms: float | None = None
    runs: int
    differing: float | None = None
    """Share of the probe's images to which the reference gives another class."""


class Latency(ProbeRecord):
    """How long a variant takes on a machine."""

    kind: ClassVar[str] = "latency"

    machine: str
    threads: int
    readings: tuple[LatencyReading, ...]


class Energy(ProbeRecord):
    """What one evaluation of `examples` takes; mean and standard deviation over `runs`."""

    kind: ClassVar[str] = "energy"

    machine: str
    runtime: str = "reference"
    source: Literal["measured", "modelled"]
    meter: str
    runs: int
    examples: int
    time_s: tuple[float, float]
    power_w: tuple[float, float] | None = None
    energy_j: tuple[float, float]


class CorruptionReading(JsonRecord):
    """Accuracy under one corruption at one severity."""

    corruption: str
    severity: int
    accuracy: float


class Corruptions(ProbeRecord):
    """Accuracy on corrupted images; `settings` names the published set whose severities were used."""

    kind: ClassVar[str] = "corruptions"

    settings: str
    examples: int
    clean_accuracy: float
    mean_accuracy: float
    readings: tuple[CorruptionReading, ...]


class GalleryExample(JsonRecord):
    """One adversarial."""

    example_id: int
    label: int
    clean_prediction: int
    prediction: int


class Gallery(ProbeRecord):
    """Adversarials to look at."""

    kind: ClassVar[str] = "gallery"

    attack: str
    epsilon: float | None
    steps: int
    examples: tuple[GalleryExample, ...]


class OtherRecord(BaseModel):
    """The record of a probe that another package adds; its fields are attributes, unchecked."""

    model_config = ConfigDict(frozen=True, extra="allow")


R = TypeVar("R", bound=BaseModel)
P = TypeVar("P", bound=ProbeRecord)

PROBE_RECORDS: Final[tuple[type[ProbeRecord], ...]] = (
    Masking,
    Corruptions,
    ActivationMaps,
    Latency,
    Energy,
    Gallery,
)
"""The records that are checked field by field; those of other kinds are `OtherRecord`."""


@dataclass(frozen=True)
class Found(Generic[R]):
    """One probe's answer about a variant; `arrays` reads its pictures when they are wanted."""

    variant: str
    record: R
    arrays: Callable[[], Mapping[str, NDArray[Any]]]


@dataclass(frozen=True)
class Probes:
    """Answers by kind, in the plan's order."""

    by_kind: Mapping[str, tuple[Found[Any], ...]] = field(default_factory=dict)

    def of(self, record: type[P]) -> tuple[Found[P], ...]:
        """Answers of the probe that writes such records."""
        return self.by_kind.get(record.kind, ())

    @property
    def others(self) -> Mapping[str, tuple[Found[OtherRecord], ...]]:
        """By kind, answers of probes that other packages add."""
        known = {record.kind for record in PROBE_RECORDS}
        return {kind: found for kind, found in self.by_kind.items() if kind not in known}


PROBE_SCHEMA = {"variant": pl.String, "kind": pl.String, "state": pl.String, "reason": pl.String}
"""One row a planned probe that has no answer, and why, where that is known."""


def probes(store: RunStore, plan: StudyPlan, labels: Mapping[str, str], problems: list[str]) -> Probes:
    """Read every answer that is there."""
    known = {record.kind: record for record in PROBE_RECORDS}
    found: dict[str, list[Found[Any]]] = {}
    for probe in plan.probes:
        if probe.variant not in labels:
            continue
        kind: type[BaseModel] = known.get(probe.kind, OtherRecord)
        try:
            if not store.has_probe(probe.key):
                continue
            record = kind.model_validate(store.read_probe(probe.key))
        except ValidationError as error:
            where = f"probes/{probe.key}.json"
            problems.append(f"{where} is left out: {explain(error, '', kind).splitlines()[0]}")
        except BrinellError as error:
            problems.append(f"A probe is left out: {first_line(store, error)}")
        else:
            found.setdefault(probe.kind, []).append(Found(labels[probe.variant], record, _arrays(store, probe)))
    return Probes({kind: tuple(answers) for kind, answers in found.items()})


def unanswered(
    store: RunStore, plan: StudyPlan, labels: Mapping[str, str], failures: Mapping[str, Failure]
) -> pl.DataFrame:
    """Planned probes without an answer: `PROBE_SCHEMA`."""
    rows = []
    for probe in plan.probes:
        with suppress(BrinellError):  # where it may not look; `probes` says so
            if store.has_probe(probe.key):
                continue
        state = failure_status(failure_of(probe.key, failures)) or CoverageStatus("missing", "not asked yet")
        rows.append((labels.get(probe.variant, probe.variant), probe.kind, state.state, state.reason))
    return pl.DataFrame(rows, schema=PROBE_SCHEMA, orient="row")


def _arrays(store: RunStore, probe: PlannedProbe) -> Callable[[], Mapping[str, NDArray[Any]]]:
    def read() -> Mapping[str, NDArray[Any]]:
        try:
            return store.read_arrays(probe.key)
        except BrinellError as error:
            raise StoreError(first_line(store, error)) from error

    return read
