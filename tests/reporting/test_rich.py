"""Figures, tables and plates of a run that holds one of everything, whole and half of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import vl_convert

from brinell.analysis import Evaluation, load
from brinell.reporting.drawing.chart import Figure, for_file, for_page
from brinell.reporting.drawing.palette import styles
from brinell.reporting.drawing.theme import resolve_colours
from brinell.reporting.figures import figures
from brinell.reporting.formats import percent
from brinell.reporting.image_grid import ImageGrid
from brinell.reporting.image_grids import image_grids
from brinell.reporting.table import Cell, Table
from brinell.reporting.tables import tables
from brinell.store import RunStore
from reporting.fake_run import FAKES
from reporting.rich_run import rich_plan, write_rich_run
from store.rewriting import renew_hash

NAMES = [fake.name for fake in FAKES]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    return write_rich_run(tmp_path_factory.mktemp("rich"))


@pytest.fixture(scope="module")
def evaluation(store: RunStore) -> Evaluation:
    return load(store)


@pytest.fixture(scope="module")
def drawn(evaluation: Evaluation) -> dict[str, Figure]:
    return {figure.name: figure for figure in figures(evaluation, styles(evaluation.variants))}


@pytest.fixture(scope="module")
def tabled(evaluation: Evaluation) -> dict[str, Table]:
    return {table.name: table for table in tables(evaluation)}


@pytest.fixture(scope="module")
def pictured(evaluation: Evaluation) -> dict[str, ImageGrid]:
    problems: list[str] = []
    found = {plate.name: plate for plate in image_grids(evaluation, problems)}
    assert not problems
    return found


def cell(table: Table, variant: str, column: str) -> Cell:
    place = [head.text for head in table.columns].index(column)
    return next(row[place] for row in table.rows if row[0].variant == variant)


# Figures


def test_every_figure_is_there(drawn: dict[str, Figure]) -> None:
    assert list(drawn) == [
        "robust-accuracy-against-cost",
        "stress-strain",
        "attack-curves",
        "distributions",
        "security-curves",
        "corruptions",
        "vulnerability",
        "latency",
        "training",
        "search",
        "rates",
        "surgery",
    ]


def test_every_panel_compiles_and_follows_the_picker(drawn: dict[str, Figure]) -> None:
    for figure in drawn.values():
        for spec in for_page(figure):
            compiled = vl_convert.vegalite_to_vega(spec)
            assert {"hidden", "focus", "at"} <= {signal["name"] for signal in compiled["signals"]}
            assert "indexof(hidden, datum.variant)" in str(compiled["data"]), figure.name


@pytest.mark.parametrize("name", ["security-curves", "corruptions", "vulnerability", "training", "latency", "search"])
def test_files_hold_no_variables_of_the_page(drawn: dict[str, Figure], name: str) -> None:
    svg = vl_convert.vegalite_to_svg(resolve_colours(for_file(drawn[name])), allowed_base_urls=[])
    assert "var(--" not in svg
    for variant in NAMES:
        assert variant in svg


def test_costs_are_bytes_operations_latency_and_energy(drawn: dict[str, Figure]) -> None:
    figure = drawn["robust-accuracy-against-cost"]
    assert [panel.title for panel in figure.panels] == [
        "Against the file's bytes",
        "Against operations",
        "Against latency",
        "Against energy",
    ]
    assert "Energy is modelled" in figure.made
    at = figure.frame.filter((pl.col("cost") == "energy_j_per_example") & (pl.col("variant") == "inq"))
    assert set(at["value"]) == {1_240_000 / 1e4 / 1000}


def test_heat_maps_are_the_transfers(evaluation: Evaluation, drawn: dict[str, Figure]) -> None:
    figure = drawn["vulnerability"]
    assert [pick.value for pick in figure.picks] == ["transfer 2/255", "transfer 4/255"]
    assert figure.picked == "transfer 4/255"
    assert len(figure.frame) == 2 * len(FAKES) ** 2  # the diagonal is FGSM's own
    white = evaluation.seed_means.filter(
        (pl.col("attack") == "fgsm") & (pl.col("variant") == "inq") & (pl.col("epsilon") == 4 / 255)
    )
    diagonal = figure.frame.filter(
        (pl.col("source") == "inq") & (pl.col("target") == "inq") & (pl.col("epsilon") == 4 / 255)
    )
    assert diagonal["vulnerability"].to_list() == white["strain"].to_list()


def test_boxes_hold_every_white_box_reading(evaluation: Evaluation, drawn: dict[str, Figure]) -> None:
    figure = drawn["distributions"]
    assert [panel.title for panel in figure.panels] == ["fgsm", "pgd", "deepfool", "carlini_wagner", "gen_attack"]
    assert figure.frame["readings"].sum() == evaluation.seed_means.filter(pl.col("attack") != "transfer").height


# Tables


def test_the_worst_case_counts_attacks_of_every_kind(evaluation: Evaluation, tabled: dict[str, Table]) -> None:
    worst = evaluation.worst.filter((pl.col("variant") == "inq") & (pl.col("epsilon") == 4 / 255)).row(0, named=True)
    assert worst["attacks"] == ["fgsm", "pgd", "transfer"]
    assert cell(tabled["worst-case"], "inq", "4/255").text == percent(worst["robust_accuracy"])


def test_character_prints_its_thresholds(evaluation: Evaluation, tabled: dict[str, Table]) -> None:
    table = tabled["character"]
    assert "toughness 0.5 or more" in table.caption
    assert "ductility 0.25 or more" in table.caption
    row = evaluation.breaking.filter((pl.col("variant") == "xnor") & (pl.col("attack") == "gen_attack")).row(
        0, named=True
    )
    found = cell(table, "xnor", "gen_attack, over steps, 8/255")
    assert "xnor" in evaluation.doubtful, "its gradients are masked in these rows"
    assert (row["character"], found.text) == ("strong", "not shown to be strong")
    assert found.note.splitlines() == [
        "its gradients may be masked, or its rows have a warning",
        "not broken by 200 steps",
        f"toughness {row['toughness']:.2f}",
        f"ductility {row['ductility']:.2f}",
    ]


def test_genattack_reads_original_and_target(evaluation: Evaluation, tabled: dict[str, Table]) -> None:
    at = evaluation.seed_means.filter(
        (pl.col("attack") == "gen_attack") & (pl.col("variant") == "inq") & (pl.col("steps") == 200)
    ).row(0, named=True)
    found = cell(tabled["attack-gen_attack"], "inq", "8/255, 200 steps")
    assert found.text == f"{percent(at['robust_accuracy'])} / {percent(at['target_accuracy'])}"
    assert "OA / TA" in tabled["attack-gen_attack"].caption
    assert "/" not in cell(tabled["attack-fgsm"], "inq", "4/255").text


def test_the_masked_variant_is_named_with_its_evidence(evaluation: Evaluation, tabled: dict[str, Table]) -> None:
    table = tabled["masking"]
    assert cell(table, "xnor", "Verdict").text == "masked"
    assert "exactly zero" in cell(table, "xnor", "The probe's checks").text
    assert cell(table, "inq", "Verdict").text == "no sign"
    assert cell(tabled["variants"], "xnor", "Gradients").note == "probed"
    assert len(table.frame.filter(pl.col("source") == "probe")) == 2 * len(FAKES)
    assert "xnor" in evaluation.suspects


def test_packers_that_were_not_there_are_missing(tabled: dict[str, Table]) -> None:
    table = tabled["compression"]
    assert cell(table, "inq", "zpaq").text == "255\u202fkB"
    assert cell(table, "inq", "zpaq").note == "1.26\u00d7"
    assert cell(table, "inq", "zstd").missing
    assert cell(table, "inq", "Promised").missing
    assert cell(table, "inq", "Entropy").sort == 58_944 - 900


def test_modelled_energy_says_so(tabled: dict[str, Table]) -> None:
    assert cell(tabled["energy"], "xnor", "Source").text == "modelled"
    assert cell(tabled["energy"], "xnor", "Average power, W").missing
    assert cell(tabled["energy"], "xnor", "Time, s").note.startswith("\u00b1")
    assert cell(tabled["energy"], "xnor", "Energy, J").note == ""  # what is counted does not spread
    assert cell(tabled["latency"], "xnor", "torch, batch of 32").sort == pytest.approx(96_000 / 5e4)


def test_types_units_and_transfers(tabled: dict[str, Table]) -> None:
    models = tabled["models"]
    assert cell(models, "baseline", "Type").text == "original architecture"
    assert cell(models, "pruned", "Type").text == "prune of baseline"
    assert cell(models, "pruned", "NCC, 10\u2076").text == "0.62"
    matrix = tabled["transfer-transfer"]
    assert [head.title for head in matrix.columns] == ["Made on", *NAMES]
    assert len(matrix.rows) == len(NAMES)
    assert [head.text for head in tabled["top-1-top-5"].columns[3:5]] == ["fgsm, 4/255\ntop-1", "fgsm, 4/255\ntop-5"]


def test_notes_are_flat_and_long_ones_short(evaluation: Evaluation, tabled: dict[str, Table]) -> None:
    rows = {(row[0].text, row[2].text): row[3].text for row in tabled["notes"].rows}
    assert rows["pruned", "kept_share"] == "0.5"
    assert rows["pruned", "layers.conv1"] == "3"


# Plates


def test_maps_have_a_picture_for_each_number_of_steps(pictured: dict[str, ImageGrid]) -> None:
    plate = pictured["activation-maps"]
    assert plate.heads == ("clean", "after 1 step", "after 5 steps")
    assert [row.variant for row in plate.rows] == NAMES
    for row in plate.rows:
        assert [picture.lines[1] for picture in row.pictures if picture] == [
            "third quartile 184",
            "third quartile 164",
            "third quartile 144",
        ]
    assert plate.frame["third_quartile"].to_list()[:3] == [184.0, 164.0, 144.0]


def test_the_gallery_says_what_each_was_taken_for(pictured: dict[str, ImageGrid]) -> None:
    (picture, *_) = pictured["gallery"].rows[0].pictures
    assert picture is not None
    assert picture.lines == ("0 \u2192 1",)
    assert picture.uri.startswith("data:image/png;base64,")
    assert pictured["gallery"].frame.height == 6 * len(FAKES)


# Half of it, and damage


def test_half_of_everything_is_drawn_and_the_rest_is_missing(tmp_path: Path) -> None:
    store = write_rich_run(tmp_path, FAKES[:3], examples=100)
    plan = store.plan()
    for probe in plan.probes[::2]:
        store.probe_path(probe.key).unlink()
    for trial in plan.trials[::3]:
        store.rows_path(trial.key, trial.blocks[0].name).unlink()
    (store.variant(plan.variants[0].key) / "training.parquet").write_bytes(b"PAR1")
    (store.variant(plan.variants[1].key) / "figures.json").write_text('{"steps": 5}')
    found = load(store)
    assert len(found.problems) == 2
    assert set(found.unanswered["state"]) == {"missing"}
    problems: list[str] = []
    drawn = [*figures(found, styles(found.variants)), *image_grids(found, problems)]
    assert len(drawn) == 13
    assert not problems
    tabled = {table.name: table for table in tables(found)}
    assert any(cell.text.startswith("probe:") for row in tabled["coverage"].rows for cell in row[:1])
    assert any(cell.missing for row in tabled["latency"].rows for cell in row)


@pytest.mark.parametrize(
    "damage",
    [
        b"{",
        b"{}",
        b"[]",
        json.dumps({"time_s": [float("nan"), 1]}).encode(),
        b'{"masked": "perhaps", "summary": 1, "readings": [{}], "examples": "all"}',
    ],
)
def test_a_damaged_record_is_left_out_and_named(tmp_path: Path, damage: bytes) -> None:
    store = write_rich_run(tmp_path, FAKES[:1], examples=100)
    plan = store.plan()
    for probe in plan.probes:
        store.probe_path(probe.key).write_bytes(damage)
    found = load(store)
    assert len(found.problems) == len(plan.probes)
    assert all("left out" in problem for problem in found.problems)
    assert str(tmp_path) not in str(found.problems)
    assert image_grids(found, []) == []


def test_pictures_that_cannot_be_read_are_left_out_and_named(tmp_path: Path) -> None:
    store = write_rich_run(tmp_path, FAKES[:2], examples=100)
    for probe in store.plan().probes:
        if probe.kind == "gallery":
            store.arrays_path(probe.key).write_bytes(b"PK")
        if probe.kind == "activation_maps":
            store.write_probe(probe.key, store.read_probe(probe.key), {"image": np.zeros((2, 2, 7))})
    problems: list[str] = []
    maps, gallery = image_grids(load(store), problems)
    assert len(problems) == 2
    assert str(tmp_path) not in str(problems)
    assert all(picture is None for row in maps.rows for picture in row.pictures)
    assert all(row.pictures == () for row in gallery.rows)


def test_nothing_of_it_yet(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    store.write_study("", rich_plan(), {})
    found = load(store)
    assert figures(found, styles(found.variants)) == []
    assert image_grids(found, []) == []
    assert len(found.unanswered) == len(rich_plan().probes)
    for table in tables(found):
        assert all(len(row) == len(table.columns) for row in table.rows)


@pytest.mark.parametrize(("attack", "norm", "steps"), [("deepfool", "l2", 20), ("carlini_wagner", "l2", 50)])
def test_an_attack_without_a_radius_shows_how_far_it_went(evaluation, tabled, attack, norm, steps) -> None:
    """Its accuracy is 0.0 % by construction; what it says of a network is the distance."""
    at = (pl.col("attack") == attack) & (pl.col("steps") == steps) & (pl.col("crafted_on") == pl.col("variant"))
    assert set(evaluation.readings.filter(pl.col("attack") == attack)["norm"]) == {norm}
    for name in NAMES:
        (row,) = evaluation.seed_means.filter(at & (pl.col("variant") == name)).to_dicts()
        found = cell(tabled[f"attack-{attack}"], name, f"median {norm}, {steps} steps")
        assert float(found.text) == pytest.approx(row[f"median_{norm}"], rel=0.05)
        assert found.note.startswith(f"{percent(row['robust_accuracy'])} not fooled")
        pair = cell(tabled["top-1-top-5"], name, f"{attack}, {steps} steps\nmedian {norm}")
        assert pair.text == found.text
    assert set(evaluation.security.filter(pl.col("attack") == attack)["norm"]) == {norm}


def test_what_compressors_cover_and_leave_alone_is_a_table(tmp_path: Path) -> None:
    store = write_rich_run(tmp_path / "run")
    key = next(variant.key for variant in store.plan().variants if variant.name == "inq")
    untouched = {f"layer{place}": {"weights": 20 - place, "reason": "frozen"} for place in range(10)}
    covered = {"share": 0.9, "weights": 1550, "covered": 1395, "untouched": untouched}
    figures = {"steps": [{"kind": "inq", "seed": 0, "figures": {"coverage": covered, "int8_macs": 1.0}}]}
    (store.variant(key) / "figures.json").write_text(json.dumps(figures))
    renew_hash(store.variant(key) / "figures.json")
    environment = {**store.environment(), "machine": {"processor": "old", "vnni": False}}
    (store.root / "environment.json").write_text(json.dumps(environment))
    renew_hash(store.root / "environment.json")
    found = load(store)
    tabled = {table.name: table for table in tables(found)}
    rows = [[cell.text for cell in row] for row in tabled["weights-covered"].rows if row[0].variant == "inq"]
    assert rows[0][1:] == ["covered", "1,395", "90.0%", ""]
    assert rows[1][1:] == ["layer0", "20", "1.3%", "frozen"]
    assert rows[-1][1:] == ["2 more", "23", "1.5%", "in the file"]
    assert len(rows) == 1 + 8 + 1
    assert tabled["weights-covered"].frame.filter(pl.col("variant") == "inq").height == 1 + 10
    assert not any("coverage" in cell.text for row in tabled["notes"].rows for cell in row)
    assert "inq computed with weights of 8 bits on a processor without VNNI" in tabled["variants"].caption


def test_a_run_on_a_processor_with_vnni_or_without_integers_says_nothing_of_it(tabled: dict[str, Table]) -> None:
    assert "VNNI" not in tabled["variants"].caption


def test_coverage_that_is_damaged_is_a_problem_and_no_crash(tmp_path: Path) -> None:
    store = write_rich_run(tmp_path / "run")
    key = next(variant.key for variant in store.plan().variants if variant.name == "inq")
    figures = {"steps": [{"kind": "inq", "seed": 0, "figures": {"coverage": {"weights": "many"}}}]}
    (store.variant(key) / "figures.json").write_text(json.dumps(figures))
    renew_hash(store.variant(key) / "figures.json")
    assert any("What inq noted is not drawn" in problem for problem in load(store).problems)


def test_corruptions_are_read_by_group_and_severity(drawn: dict[str, Figure], tabled: dict[str, Table]) -> None:
    table, clean = tabled["corruption-accuracy"], {fake.name: fake.clean for fake in FAKES}
    for name in NAMES:
        assert cell(table, name, "Mean corruption accuracy").sort == pytest.approx(clean[name] * 0.775)
        assert cell(table, name, "Noise").sort == pytest.approx(clean[name] * 0.7)
        assert cell(table, name, "Blur").sort == pytest.approx(clean[name] * 0.85)
        assert cell(table, name, "Weather").missing
    rows = drawn["corruptions"].frame.filter(pl.col("variant") == NAMES[0])
    assert rows.select("corruption", "severity").n_unique() == len(rows) == 10
