"""Members of a module outside the project: one of each family, from the study's file to the page."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from brinell.analysis import load
from brinell.attacks import ATTACKS
from brinell.compressors import COMPRESSORS
from brinell.core import Registry
from brinell.data import DATASETS
from brinell.models import MODELS
from brinell.probes import PROBES
from brinell.reporting import write
from brinell.reporting.figures import FIGURES
from brinell.reporting.tables import TABLES
from brinell.runtimes import RUNTIMES
from brinell.store import RunStore
from brinell.study import Study, run

MODULE = """
from __future__ import annotations

from dataclasses import replace

import altair as alt
import polars as pl
import torch
from torch import nn

from brinell.attacks import Attack, Crafted
from brinell.attacks.components.projection import clip_to_ball
from brinell.compressors import Compressor
from brinell.core import Fraction, Point
from brinell.data import Dataset, Source, build
from brinell.models import Architecture
from brinell.probes import Probe, ProbeResult
from brinell.reporting.drawing.chart import ROWS, Figure, panel
from brinell.reporting.table import Cell, Column, Table
from brinell.runtimes import Runtime
from brinell.variants import Step


class Shift(Attack):
    kind = "outside_attack"
    needs = "scores"
    sweepable = frozenset({"epsilon"})

    epsilon: Fraction

    @property
    def point(self):
        return Point(self.epsilon, 1)

    def clip(self, candidates, clean, epsilon):
        return clip_to_ball(candidates, clean, epsilon, "linf")

    def craft(self, oracle, batch, points, *, seed, trace_every):
        ones = torch.ones((len(points), len(batch.images)), dtype=torch.int32)
        images = torch.stack([batch.images + point.epsilon for point in points])
        return Crafted(images, -ones, 0 * ones, 0 * ones, 0 * ones, queries=0 * ones)


class Halve(Compressor):
    kind = "outside_compressor"

    def _compress(self, variant, data, *, seed, device, checkpoint, progress):
        module = variant.trainable()
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.copy_((parameter * 1024).round() / 1024)
        progress(self.kind, 1, 1)
        return variant.child(module, Step(self.kind, self.config(), seed, {"levels": 1024}))


class Linear(Architecture):
    kind = "outside_architecture"

    classes: int = 10
    in_channels: int = 1
    size: int = 8
    mean: tuple[float, ...] = (0.5,)
    std: tuple[float, ...] = (0.5,)

    def network(self):
        return nn.Sequential(nn.Flatten(), nn.Linear(self.in_channels * self.size**2, self.classes))


class Inverted(Source):
    kind = "outside_data"

    def load(self, split):
        digits = build("digits", split)
        return replace(digits, name=self.kind, images=255 - digits.images, fingerprint="1" * 64)


class Plain(Runtime):
    kind = "outside_runtime"

    def compile(self, module, input_shape):
        return module


class Brightness(Probe):
    kind = "outside_probe"
    examples: int = 10

    def ask(self, asked):
        return ProbeResult({"brightness": float(asked.images.mean())})

    def passes(self):
        return 1.0


def brightness(evaluation):
    return pl.DataFrame(
        [(found.variant, found.record.brightness) for found in evaluation.probes.others.get("outside_probe", ())],
        schema={"variant": pl.String, "brightness": pl.Float64},
        orient="row",
    )


def figure(evaluation, styles):
    frame = brightness(evaluation)
    chart = alt.Chart(ROWS).mark_bar().encode(x="brightness:Q", y="variant:N")
    panels = (panel("Brightness", chart, frame.to_dicts()),)
    return Figure(
        name="outside-figure", section="energy", title="Outside figure", reading="Bars.", made="Measured.",
        alt="Bars of brightness.", panels=panels, sheet=panels, frame=frame, height=100,
    )


def table(evaluation):
    frame = brightness(evaluation)
    rows = tuple((Cell(name, name), Cell(f"{value:.3f}", value)) for name, value in frame.iter_rows())
    columns = (Column("Variant", numeric=False), Column("Brightness"))
    return Table("outside-table", "energy", "Outside table", "Mean of the images.", columns, rows, frame)
"""

STUDY = """
name: outside
data: {kind: outside_data, train: {holdout: 97}, test: {examples: 40}}
models:
  linear: {kind: outside_architecture}
variants:
  base: {model: linear, train: {epochs: 2, batch_size: 64, learning_rate: 0.05}}
  rounded: {from: base, compress: {kind: outside_compressor}}
attacks:
  shift: {kind: outside_attack, sweep: {epsilon: [8/255, 64/255]}}
probes: {masking: false, outside_probe: {examples: 12}}
runtime: outside_runtime
block: 20
"""


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The module, its members registered."""
    (tmp_path / "outside_members.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    module = import_module("outside_members")
    members = (
        (ATTACKS, module.Shift),
        (COMPRESSORS, module.Halve),
        (MODELS, module.Linear),
        (DATASETS, module.Inverted),
        (RUNTIMES, module.Plain),
        (PROBES, module.Brightness),
        (FIGURES, module.figure),
        (TABLES, module.table),
    )
    for family, member in members:
        family.register(member)
    yield module
    for family, member in members:
        family.unregister(member)
    del sys.modules["outside_members"]


def test_a_study_runs_with_members_of_another_module_to_the_page(outside: ModuleType, tmp_path: Path) -> None:
    root = tmp_path / "run"
    run(Study.parse(yaml.safe_load(STUDY)), out=root, threads=1)
    evaluation = load(RunStore.open(root))
    assert not evaluation.problems
    assert evaluation.variants["variant"].to_list() == ["base", "rounded"]
    answers = evaluation.probes.others["outside_probe"]
    assert [found.variant for found in answers] == ["base", "rounded"]
    page = write(root).read_text()
    for text in ("Outside figure", "Outside table", f"{answers[0].record.brightness:.3f}"):
        assert text in page
    assert (root / "report" / "tables" / "outside-table.csv").is_file()


def test_after_unregistering_the_kinds_are_unknown() -> None:
    families: tuple[Registry, ...] = (ATTACKS, COMPRESSORS, MODELS, DATASETS, RUNTIMES, PROBES)
    assert not [kind for family in families for kind in family if kind.startswith("outside_")]
