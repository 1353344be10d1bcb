"""What a study's sections hold, read and checked: frozen values, named as they are in YAML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from brinell.attacks import Attack
from brinell.compressors import Compressor
from brinell.core import Point
from brinell.data import Source
from brinell.models import Architecture
from brinell.probes import Probe
from brinell.training import Train


class Section(BaseModel):
    """Part of a study that is plain fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class TrainSplit(Section):
    """What variants learn from; `holdout` examples of it are kept back for choices and for training's curves."""

    split: str = "train"
    holdout: int = Field(0, ge=0)


class TestSplit(Section):
    """What variants are judged on: the first `examples` (all by default) of an order that only `seed` decides."""

    split: str = "test"
    examples: int | None = Field(None, ge=1)
    seed: int = Field(0, ge=0)


class Seeds(Section):
    """Which seeds every variant is made with, and every random attack is run with."""

    variants: tuple[int, ...] = (0,)
    attacks: tuple[int, ...] = (0,)


@dataclass(frozen=True)
class Data:
    """Where images come from, and which of them do what."""

    source: Source
    train: TrainSplit
    test: TestSplit


@dataclass(frozen=True)
class Model:
    """An architecture, and a file of weights where it starts from one."""

    architecture: Architecture
    weights: Path | None


@dataclass(frozen=True)
class VariantEntry:
    """How one variant is made: from a `model`, trained or as it is, or from the variant `parent` by compressing it."""

    model: str | None = None
    train: Train | None = None
    parent: str | None = None
    compressor: Compressor | None = None
    baseline: str | None = None
    """Whom it is compared with; `None`: whom its parent is, or itself where it has none."""


@dataclass(frozen=True)
class AttackEntry:
    """One attack, the points it is read at, and how it is narrowed; `None` leaves the study's own choice."""

    attack: Attack
    points: tuple[Point, ...]
    sweep: Mapping[str, tuple[float | int, ...]]
    examples: int | None = None
    seeds: tuple[int, ...] | None = None
    variants: tuple[str, ...] | None = None
    view: str | None = None
    """The gradient to look at; each variant's natural one where it is `None`."""
    trace_every: int | None = None


@dataclass(frozen=True)
class TransferEntry:
    """One attack, crafted on every one of `sources` and judged on every one of `targets`; `None` is all variants."""

    attack: AttackEntry
    sources: tuple[str, ...] | None = None
    targets: tuple[str, ...] | None = None


@dataclass(frozen=True)
class ProbeEntry:
    """One probe, and which variants are asked; `None` is all of them."""

    probe: Probe
    variants: tuple[str, ...] | None = None
