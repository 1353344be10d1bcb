"""Figures: what they draw, from whole and from half-finished runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import vl_convert

from brinell.analysis import Evaluation, load
from brinell.reporting.drawing.chart import Figure, for_file, for_page
from brinell.reporting.drawing.palette import styles
from brinell.reporting.drawing.theme import resolve_colours
from brinell.reporting.figures import figures
from brinell.reporting.figures.accuracy_by_technique import LETTERS, _lines
from brinell.reporting.figures.attack_curves import DRAWN
from brinell.store import RunStore
from reporting.fake_run import BASELINE, FAKES, fake_plan, half_finished, many, write_fake_run


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    return load(write_fake_run(tmp_path_factory.mktemp("run")))


def drawn(evaluation: Evaluation) -> dict[str, Figure]:
    return {figure.name: figure for figure in figures(evaluation, styles(evaluation.variants))}


@pytest.fixture(scope="module")
def whole(evaluation: Evaluation) -> dict[str, Figure]:
    return drawn(evaluation)


def test_those_that_there_are_readings_for(whole: dict[str, Figure]) -> None:
    assert list(whole) == ["robust-accuracy-against-cost", "stress-strain", "attack-curves", "distributions"]


def test_strain_starts_unharmed_and_follows_the_reruns(evaluation: Evaluation, whole: dict[str, Figure]) -> None:
    frame = whole["stress-strain"].frame
    assert frame.filter(pl.col("stress") == 0)["strain"].to_list() == [0.0] * 10
    wanted = evaluation.seed_means.filter(
        (pl.col("variant") == "xnor") & (pl.col("attack") == "pgd") & (pl.col("steps") == 20)
    ).sort("epsilon")
    found = frame.filter((pl.col("variant") == "xnor") & (pl.col("attack") == "pgd") & (pl.col("stress") > 0))
    assert found["stress"].to_list() == pytest.approx([1, 2, 4, 8])
    assert found["strain"].to_list() == wanted["strain"].to_list()
    assert [panel.title for panel in whole["stress-strain"].panels] == ["fgsm", "pgd, 20 steps"]


def test_the_trade_off_opens_at_the_reference_and_marks_the_front(whole: dict[str, Figure]) -> None:
    figure = whole["robust-accuracy-against-cost"]
    assert figure.picked == "4/255"
    assert [pick.value for pick in figure.picks] == ["1/255", "2/255", "4/255", "8/255", "16/255"]
    at = figure.frame.filter((pl.col("at") == "4/255") & (pl.col("cost") == "encoded_bytes"))
    assert set(at.filter(pl.col("front"))["variant"]) == {"xnor", "distilled"}
    assert dict(at.select("variant", "gradients").iter_rows())["xnor"] == "may be masked"
    assert [panel.title for panel in figure.panels] == ["Against the file's bytes", "Against operations"]


def test_what_the_answer_names_has_its_name_in_the_chart(evaluation: Evaluation, whole: dict[str, Figure]) -> None:
    (choice,) = evaluation.choices
    for spec in for_page(whole["robust-accuracy-against-cost"]):
        sources = vl_convert.vegalite_to_vega(spec)["data"]
        rows = [row for source in sources for row in source.get("values", []) if row.get("at") == "4/255"]
        named = {row["variant"] for row in rows if row.get("label")}
        assert {choice.variant, choice.baseline} <= named


def test_curves_are_the_traces(evaluation: Evaluation, whole: dict[str, Figure]) -> None:
    frame = whole["attack-curves"].frame
    assert frame.height == evaluation.traces.height
    assert sorted(frame["loss"]) == sorted(evaluation.traces["loss"])
    assert whole["attack-curves"].picked == "pgd 4/255"
    accuracy, loss = (str(panel.spec) for panel in whole["attack-curves"].panels)
    assert "'strokeDash': [1, 0]" in accuracy
    assert "'strokeDash': [5, 3]" in loss
    assert "breaking line, 10%" in accuracy


def test_techniques_have_two_lines_and_never_the_same() -> None:
    long = "robust_compression weight_bits {} no adversarial of a very long way of saying it"
    found = _lines(["prune", long.format(3), long.format(4), f"{'a' * 200} 1", f"{'a' * 200} 2"])
    assert found["prune"] == "prune"
    sweep = ["prune sparsity 0.95", "prune sparsity 0.9"]
    assert _lines(sweep) == {name: name for name in sweep}
    assert found[long.format(3)] == "robust_compression\nweight_bits 3 no\u2026"
    assert len(set(found.values())) == len(found)
    assert all(len(line) <= LETTERS + 4 for label in found.values() for line in label.split("\n"))
    assert all(label.count("\n") <= 1 for label in found.values())


def traced(evaluation: Evaluation, steps: Sequence[int]) -> Figure:
    """One curve through these steps."""
    one = evaluation.traces.head(1).drop("step")
    long = one.join(pl.DataFrame({"step": steps}, schema={"step": pl.Int32}), how="cross")
    return drawn(replace(evaluation, traces=long.select(evaluation.traces.columns)))["attack-curves"]


def test_long_traces_are_thinned_along_a_logarithmic_axis(evaluation: Evaluation) -> None:
    figure = traced(evaluation, range(0, 1001, 5))
    steps = sorted(figure.frame["step"])
    assert DRAWN / 2 < len(steps) <= DRAWN + 7
    assert steps[:4] == [0, 5, 10, 15]  # where networks break
    assert steps[-1] == 1000
    assert max(after - before for before, after in pairwise(steps)) < 150
    for spec in for_page(figure):
        assert "{'constant': 5, 'nice': False, 'type': 'symlog'}" in str(spec)
        assert "'values': [0.0, 10.0, 30.0, 100.0, 300.0, 1000.0]" in str(spec)


def test_short_traces_are_drawn_whole_along_a_plain_axis(evaluation: Evaluation) -> None:
    figure = traced(evaluation, range(41))
    assert sorted(figure.frame["step"]) == list(range(41))
    assert "symlog" not in str(for_page(figure))


@pytest.mark.parametrize("name", ["robust-accuracy-against-cost", "stress-strain", "attack-curves", "distributions"])
def test_every_panel_compiles_and_reacts_to_the_page(whole: dict[str, Figure], name: str) -> None:
    for spec in for_page(whole[name]):
        compiled = vl_convert.vegalite_to_vega(spec)
        assert {"hidden", "focus", "at"} <= {signal["name"] for signal in compiled["signals"]}
        assert "indexof(hidden, datum.variant)" in str(compiled["data"])
        assert all("url" not in source for source in compiled["data"])


@pytest.mark.parametrize("name", ["robust-accuracy-against-cost", "stress-strain", "attack-curves", "distributions"])
def test_files_show_every_variant_by_colour_and_name(whole: dict[str, Figure], name: str) -> None:
    svg = vl_convert.vegalite_to_svg(resolve_colours(for_file(whole[name])), allowed_base_urls=[])
    assert "var(--" not in svg
    for fake in FAKES:
        assert fake.name in svg
    for colour in ("#D55E00", "#0072B2", "#009E73", "#CC79A7"):
        assert colour in svg


def test_same_variant_same_look_in_every_figure(whole: dict[str, Figure]) -> None:
    domains = {str(_scales(panel.spec)) for figure in whole.values() for panel in figure.panels}
    assert len(domains) == 1


def _scales(spec: Any) -> list[Any]:
    """Colour scales anywhere in a chart, without repetition."""
    found: list[Any] = []
    if isinstance(spec, dict):
        colour = spec.get("color")
        if isinstance(colour, dict) and "scale" in colour:
            found.append(colour["scale"])
        for value in spec.values():
            found += [scale for scale in _scales(value) if scale not in found]
    elif isinstance(spec, list):
        for value in spec:
            found += [scale for scale in _scales(value) if scale not in found]
    return found


def test_two_networks_get_panels_of_their_own(tmp_path: Path) -> None:
    found = drawn(load(write_fake_run(tmp_path, many(4), examples=100)))
    assert [panel.title for panel in found["stress-strain"].panels] == [
        "fgsm on baseline",
        "fgsm on large",
        "pgd, 20 steps on baseline",
        "pgd, 20 steps on large",
    ]
    assert len(found["attack-curves"].panels) == 4


def test_a_network_that_nothing_is_made_from_stands_beside_every_family(tmp_path: Path) -> None:
    lonely = replace(BASELINE, name="published")
    found = drawn(load(write_fake_run(tmp_path, (*FAKES[:2], lonely), examples=100)))
    assert [panel.title for panel in found["stress-strain"].panels] == ["fgsm", "pgd, 20 steps"]
    assert "published" in str(found["stress-strain"].panels[0].spec)


def test_one_strength_is_no_curve(evaluation: Evaluation) -> None:
    stresses = {name: replace(axis, swept=name == "fgsm") for name, axis in evaluation.stresses.items()}
    found = drawn(replace(evaluation, stresses=stresses))
    assert [panel.title for panel in found["stress-strain"].panels] == ["fgsm"]


def test_half_finished_and_empty(tmp_path: Path) -> None:
    store = write_fake_run(tmp_path / "half")
    half_finished(store)
    found = drawn(load(store))
    assert len(found) == 4
    assert "inq" not in found["stress-strain"].frame["variant"]
    empty = RunStore(tmp_path / "empty")
    empty.write_study("", fake_plan(), {})
    assert drawn(load(empty)) == {}
