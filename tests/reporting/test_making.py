"""Figures of how variants were made and how long they take: searches, rates, surgery, latency, bands of runs."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import vl_convert

from brinell.analysis import Evaluation, load
from brinell.analysis.records.compressor_logs import compressor_logs
from brinell.analysis.records.probes import PROBE_SCHEMA, Found, Latency, Probes
from brinell.reporting.drawing.chart import Figure, for_file, for_page
from brinell.reporting.drawing.palette import styles
from brinell.reporting.drawing.theme import resolve_colours
from brinell.reporting.export import exhibit_files
from brinell.reporting.figures import amc_search, attack_curves, dns_masks, figures, latency, layer_sparsity
from brinell.reporting.layout import exhibit_groups
from brinell.reporting.tables import tables
from brinell.store import RunStore
from reporting.fake_run import FAKES
from reporting.rich_run import OPERATED, SEARCHED, write_rich_run
from store.rewriting import renew_hash

MADE = ("latency", "search", "rates", "surgery")
TRIO = tuple(fake for fake in FAKES if fake.name in ("baseline", "pruned", "inq"))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    return write_rich_run(tmp_path_factory.mktemp("made"), TRIO, examples=100)


@pytest.fixture(scope="module")
def evaluation(store: RunStore) -> Evaluation:
    return load(store)


@pytest.fixture(scope="module")
def whole(evaluation: Evaluation) -> dict[str, Figure]:
    return drawn(evaluation)


def drawn(evaluation: Evaluation) -> dict[str, Figure]:
    return {figure.name: figure for figure in figures(evaluation, styles(evaluation.variants))}


def svg(figure: Figure) -> str:
    found: str = vl_convert.vegalite_to_svg(resolve_colours(for_file(figure)), allowed_base_urls=[])
    return found


def marks(spec: Any, kind: str) -> list[dict[str, Any]]:
    """Layers of a panel that are drawn with this mark."""
    if isinstance(spec, list):
        return [found for part in spec for found in marks(part, kind)]
    if not isinstance(spec, dict):
        return []
    own = [spec] if isinstance(spec.get("mark"), dict) and spec["mark"]["type"] == kind else []
    return own + marks(spec.get("layer", []), kind)


def noting(evaluation: Evaluation, **notes: dict[str, Any]) -> Evaluation:
    """As if the steps that made these variants had noted this, and nobody else's anything."""
    steps = {variant: [{"kind": "made", "figures": figures_}] for variant, figures_ in notes.items()}
    return replace(evaluation, compressor_logs=compressor_logs(steps, []))


def one(figure: Figure | None) -> Figure:
    """The figure, which is there."""
    assert figure is not None
    return figure


# The search


def test_the_search_shows_every_episode_its_best_and_the_uniform_rates(whole: dict[str, Figure]) -> None:
    figure = whole["search"]
    assert figure.frame["score"].to_list() == SEARCHED["amc"]["episodes"]["score"]
    assert figure.frame["best"].to_list() == [0.2, 0.5, 0.5, 0.7]
    assert set(figure.frame["uniform"]) == {0.4}
    assert figure.made.startswith("4 episodes of 1 variant, scored on 100 examples of the training split.")
    assert [panel.title for panel in figure.panels] == ["Accuracy"]
    (spec,) = (panel.spec for panel in figure.panels)
    (level,), (best,) = marks(spec, "rule"), marks(spec, "line")
    assert level["encoding"]["y"]["field"] == "uniform"
    assert "x" not in level["encoding"]  # from side to side
    assert (best["encoding"]["y"]["field"], best["mark"]["interpolate"]) == ("best", "step-after")
    rows = spec["layer"][0]["data"]["values"] if "data" in spec["layer"][0] else spec["data"]["values"]
    assert [row["by"] for row in rows] == ["drawn at random"] * 2 + ["the agent's"] * 2


def test_other_rewards_have_panels_of_their_own(evaluation: Evaluation) -> None:
    robust = {"amc": {**SEARCHED["amc"], "reward": "robust_accuracy"}}
    found = one(amc_search.figure(noting(evaluation, pruned=SEARCHED, inq=robust), styles(evaluation.variants)))
    assert [panel.title for panel in found.panels] == ["Accuracy", "Robust accuracy"]
    assert "Robust accuracy" in svg(found)


# Rates


def test_rates_are_drawn_against_the_uniform_one(whole: dict[str, Figure]) -> None:
    figure = whole["rates"]
    assert figure.frame.filter(variant="pruned").rows() == [
        ("pruned", "net.conv1", 0.8, 0.5, 0.8),
        ("pruned", "net.conv2", 0.375, 0.5, 0.3),
        ("pruned", "net.linear", None, None, 0.5),
    ]
    units, weights = figure.panels
    assert (units.title, weights.title) == ("Units kept", "Weights kept")
    dashes = [mark["mark"]["strokeDash"] for mark in marks(units.spec, "line") if "strokeDash" in mark["mark"]]
    assert dashes == [[5, 3]]
    assert not any("strokeDash" in mark["mark"] for mark in marks(weights.spec, "line"))
    text = svg(figure)
    for name in ("conv1", "conv2", "linear"):
        assert f">{name}</text>" in text  # without the module that all of them lie in


def test_a_deep_network_names_some_of_its_layers_and_draws_all(evaluation: Evaluation) -> None:
    deep = {"kept": {f"block{place}.conv": 0.5 for place in range(55)}}
    other = {"kept": {"other": 0.5, "block3.conv": 0.1}}
    (panel,) = one(
        layer_sparsity.figure(noting(evaluation, inq=other, pruned=deep), styles(evaluation.variants))
    ).panels
    (line,) = marks(panel.spec, "line")
    x = line["encoding"]["x"]
    assert x["scale"]["domain"] == [*(f"block{place}.conv" for place in range(55)), "other"]
    assert x["axis"]["values"] == x["scale"]["domain"][::3]


# Surgery


def test_surgery_shows_what_is_left_and_what_changed(whole: dict[str, Figure]) -> None:
    figure = whole["surgery"]
    assert figure.frame["left"].to_list() == OPERATED["surgery"]["left"]
    assert figure.frame["left_share"].to_list() == pytest.approx([0.1, 0.09, 0.08, 0.2, 0.19])
    titles = ["Weights left, phase 1", "Pruned and spliced, phase 1"]
    assert [panel.title for panel in figure.panels] == [*titles, *(title.replace("1", "2") for title in titles)]
    changed = {
        mark["encoding"]["y"]["field"]: mark["mark"]["strokeDash"] for mark in marks(figure.panels[1].spec, "line")
    }
    assert changed == {"pruned": [1, 0], "spliced": [5, 3]}
    assert ">100</text>" in svg(figure)


def test_one_phase_needs_no_name(evaluation: Evaluation) -> None:
    once = {"surgery": {name: values[:3] for name, values in OPERATED["surgery"].items()}}
    found = one(dns_masks.figure(noting(evaluation, inq=once), styles(evaluation.variants)))
    assert [panel.title for panel in found.panels] == ["Weights left", "Pruned and spliced"]


# Latency


def answering(evaluation: Evaluation, **answers: Latency) -> Figure:
    """The figure, as if the latency probe had found this, and nothing of the other variants."""
    found = tuple(Found(variant, record, dict) for variant, record in answers.items())
    asked = [variant for variant in evaluation.variants["variant"] if variant not in answers]
    open_ = pl.DataFrame([(name, "latency", "missing", "") for name in asked], schema=PROBE_SCHEMA, orient="row")
    changed = replace(evaluation, probes=Probes({**evaluation.probes.by_kind, "latency": found}), unanswered=open_)
    return one(latency.figure(changed, styles(evaluation.variants)))


def record(*readings: dict[str, Any], machine: str = "2 cores") -> Latency:
    return Latency.model_validate({"machine": machine, "threads": 2, "readings": readings})


def reading(runtime: str, median: float, **more: Any) -> dict[str, Any]:
    return {"runtime": runtime, "batch": 1, "median_ms": median, "low_ms": 0.9 * median, "high_ms": 1.5 * median,
            "runs": 9, **more}  # fmt: skip


def labels(figure: Figure) -> list[list[str]]:
    """What stands on each panel's lines."""
    return [[row["label"] for row in _values(panel.spec)] for panel in figure.panels]


def _values(spec: Any) -> list[dict[str, Any]]:
    if isinstance(spec, dict):
        if "values" in spec.get("data", {}):
            found: list[dict[str, Any]] = spec["data"]["values"]
            return found
        return next((rows for part in spec.get("layer", []) if (rows := _values(part))), [])
    return []


def test_latency_names_the_machine_and_every_reading(evaluation: Evaluation, whole: dict[str, Figure]) -> None:
    figure = whole["latency"]
    assert "50 runs after three warm-up runs, on 2 cores, 1 thread." in figure.made
    assert [panel.title for panel in figure.panels] == ["Batch of 1", "Batch of 32"]
    assert labels(figure)[0] == ["baseline\u20031.24 ms", "pruned\u20030.620 ms", "inq\u20031.24 ms"]
    (bar,) = marks(figure.panels[0].spec, "rule")
    assert (bar["encoding"]["x"]["field"], bar["encoding"]["x2"]["field"]) == ("low_ms", "high_ms")
    assert figure.frame.height == sum(len(found.record.readings) for found in evaluation.probes.of(Latency))
    assert "0.620 ms" in svg(figure)


def test_runtimes_have_lines_of_their_own_and_machines_panels(evaluation: Evaluation) -> None:
    found = answering(
        evaluation,
        baseline=record(reading("reference", 2.0), reading("onnx", 0.5)),
        pruned=record(reading("reference", 1.0)),
        inq=record(reading("reference", 40.0), machine="a phone"),
    )
    assert [panel.title for panel in found.panels] == [
        "Batch of 1 on 2 cores, 2 threads",
        "Batch of 1 on a phone, 2 threads",
    ]
    assert labels(found) == [
        ["baseline · reference\u20032.00 ms", "baseline · onnx\u20030.500 ms", "pruned · reference\u20031.00 ms"],
        ["inq\u200340.0 ms"],
    ]
    assert "on 2 cores, 2 threads and a phone, 2 threads." in found.made


def test_who_has_not_answered_is_missing_and_no_time_is_nothing(evaluation: Evaluation) -> None:
    found = answering(
        evaluation,
        pruned=record(reading("reference", 1.0, low_ms=None), reading("onnx", 0.0)),
        inq=record(reading("reference", 2.0, low_ms=0.0)),
    )
    assert labels(found) == [["baseline\u2003missing", "pruned\u20031.00 ms", "inq\u20032.00 ms"]]
    assert [row.get("span", "missing") for row in _values(found.panels[0].spec)] == ["missing"] * 3
    assert "missing" in svg(found)


# Bands


def test_bands_are_one_deviation_within_what_there_can_be(evaluation: Evaluation) -> None:
    traced = evaluation.traces.head(3).with_columns(
        accuracy=pl.Series([0.5, 0.98, 0.5]),
        accuracy_spread=pl.Series([0.1, 0.1, None]),
        loss=pl.Series([-1.0, 2.0, None]),
        loss_spread=pl.Series([0.5, 0.5, None]),
        runs=pl.Series([3, 3, 1]),
    )
    figure = one(attack_curves.figure(replace(evaluation, traces=traced), styles(evaluation.variants)))
    bounds = [f"{field}_{side}" for field in ("accuracy", "loss") for side in ("low", "high")]
    low, high, none = figure.frame.select(bounds).rows()
    assert low == pytest.approx((0.4, 0.6, -1.5, -0.5))
    assert high == pytest.approx((0.88, 1.0, 1.5, 2.5))
    assert none == (None, None, None, None)
    assert "bands are one standard deviation of the runs either side" in figure.made
    for panel, field in zip(figure.panels, ("accuracy", "loss"), strict=True):
        (band,) = marks(panel.spec, "area")
        assert (band["encoding"]["y"]["field"], band["encoding"]["y2"]["field"]) == (f"{field}_low", f"{field}_high")


def test_one_run_has_no_band(evaluation: Evaluation) -> None:
    once = evaluation.traces.with_columns(runs=pl.lit(1, dtype=pl.Int64))
    found = one(attack_curves.figure(replace(evaluation, traces=once), styles(evaluation.variants)))
    assert "band" not in found.made


# All of them


def test_every_number_of_every_tooltip_goes_through_the_pages_formatter(whole: dict[str, Figure]) -> None:
    for figure in whole.values():
        for spec in for_page(figure):
            for tip in _tips(spec):
                assert tip.get("formatType") == ("said" if tip["type"] == "quantitative" else None), figure.name
        assert "formatType" not in str(for_file(figure))


def _tips(part: Any) -> list[dict[str, Any]]:
    if isinstance(part, list):
        return [tip for value in part for tip in _tips(value)]
    if not isinstance(part, dict):
        return []
    own = part.get("tooltip", [])
    found = own if isinstance(own, list) else []
    return found + [tip for name, value in part.items() if name != "values" for tip in _tips(value)]


def test_a_small_run_leaves_files_of_each(whole: dict[str, Figure]) -> None:
    for name in MADE:
        files = exhibit_files(whole[name], "brinell report small")
        assert list(files) == [f"figures/{name}.{kind}" for kind in ("svg", "pdf", "csv", "tex")]
        assert all(len(content) > 100 for content in files.values())


def test_each_stands_with_what_it_belongs_to(evaluation: Evaluation, whole: dict[str, Figure]) -> None:
    named = [
        [exhibit.name for exhibit in band.exhibits] for band in exhibit_groups([*whole.values(), *tables(evaluation)])
    ]
    made = [names for names in named if {"latency", "training", "search", "surgery"} & set(names)]
    assert made == [["latency", "latency"], ["training"], ["search", "rates"], ["surgery"]]


def test_half_of_a_run_shows_half_and_nothing_shows_nothing(tmp_path: Path) -> None:
    store = write_rich_run(tmp_path, TRIO, examples=100)
    plan = store.plan()
    names = {variant.name: variant.key for variant in plan.variants}
    lost = store.variant(names["pruned"]) / "figures.json"
    lost.unlink()  # of a version that wrote none
    renew_hash(lost)
    for probe in plan.probes:
        store.probe_path(probe.key).unlink()
    found = load(store)
    look = styles(found.variants)
    assert [panel.title for panel in one(layer_sparsity.figure(found, look)).panels] == ["Weights kept"]
    assert one(dns_masks.figure(found, look)).frame.height == 5
    assert amc_search.figure(found, look) is None
    assert latency.figure(found, look) is None
    nothing = noting(found, baseline={})
    assert layer_sparsity.figure(nothing, look) is None
    assert dns_masks.figure(nothing, look) is None


def test_damaged_figures_are_named_and_the_rest_is_read(store: RunStore, tmp_path: Path) -> None:
    copy = RunStore(Path(shutil.copytree(store.root, tmp_path / "copy")))
    key = next(variant.key for variant in copy.plan().variants if variant.name == "inq")
    damaged = {"kind": "inq", "seed": 0, "figures": {"surgery": {"phase": [1]}}}
    (copy.variant(key) / "figures.json").write_text(json.dumps({"steps": [damaged]}))
    renew_hash(copy.variant(key) / "figures.json")
    found = load(copy)
    assert found.problems == ("What inq noted is not drawn: surgery.step: missing, and has no default",)
    assert found.compressor_logs.surgeries.is_empty()
    assert found.compressor_logs.searches.height == 4
