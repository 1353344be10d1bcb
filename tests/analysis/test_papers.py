"""The papers: what is printed is read whole, and each kind of claim is decided as a hand would decide it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from scipy.stats import binomtest

from brinell.analysis import Evaluation, load
from brinell.analysis.papers import (
    Finding,
    Reproduction,
    Value,
    comparison,
    findings,
    paper,
    papers,
    reproduction,
    unknown_references,
)
from brinell.analysis.papers.claims import differ
from brinell.analysis.papers.findings import finding, findings_table
from brinell.analysis.papers.published import Paper, Spent
from brinell.analysis.records.probes import (
    ActivationMaps,
    Energy,
    Evidence,
    Found,
    MapReading,
    Masking,
    Probes,
    ShownExample,
)
from brinell.core import PlannedPaper
from reporting.fake_run import half_finished, write_fake_run

ROWS = {
    "baseline": "resnet20/vanilla",
    "distilled": "resnet20/kd-kl",
    "pruned": "resnet20/weight",
    "xnor": "resnet20/xnor",
}
PGD = {"kind": "pgd", "epsilon": 2 / 255}


def naming(evaluation: Evaluation, kind: str = "breakingbed", rows: dict[str, str] | None = None) -> Evaluation:
    """The same run of a study that names a paper."""
    named = PlannedPaper(kind=kind, rows=ROWS if rows is None else rows)
    return replace(evaluation, plan=evaluation.plan.model_copy(update={"paper": named}))


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    return naming(load(write_fake_run(tmp_path_factory.mktemp("run"))))


@pytest.fixture(scope="module")
def ours(evaluation: Evaluation) -> Reproduction:
    found = reproduction(evaluation)
    assert found is not None
    return found


def decide(ours: Reproduction, **claim: Any) -> Finding:
    """The finding on one claim, written as in a paper's file."""
    stub = {"claim": "It is so", "where": "nowhere", **claim}
    read = Paper.model_validate({"title": "", "name": "", "training": "", "rows": {}, "tables": [], "findings": [stub]})
    return finding(read.findings[0], ours)


def test_every_paper_names_its_rows_only() -> None:
    assert papers() == ["breakingbed", "robust-compression"]
    for kind in papers():
        known = paper(kind)
        used = {row for table in known.tables for row in table.rows}
        used |= {row for claim in known.findings for row in (*claim.rows, *_than(claim))}
        assert used == set(known.rows)
        assert len({claim.claim for claim in known.findings}) == len(known.findings)


def _than(claim: Any) -> tuple[str, ...]:
    than = getattr(claim, "than", ())
    return than if isinstance(than, tuple) else ()


def test_accuracies_repeated_between_tables_agree() -> None:
    """Table IV prints errors of Table II's accuracies, and Table III's diagonal is Table II's FGSM."""
    second, third, third5, fourth = paper("robust-compression").tables[1:5]
    for row, (_, top1, top5, _) in fourth.rows.items():
        assert second.rows[row][0] == pytest.approx(100 - (top1 or 0))
        assert second.rows[row][1] == pytest.approx(100 - (top5 or 0), abs=0.011)
    for table, place in ((third, 2), (third5, 3)):
        for column, values in zip(table.columns, zip(*table.rows.values(), strict=True), strict=True):
            target = str(column.reads.target)  # type: ignore[union-attr]
            if target in table.rows:
                assert values[list(table.rows).index(target)] == second.rows[target][place]


def test_ours_stands_beside_what_is_printed(evaluation: Evaluation, ours: Reproduction) -> None:
    frame = comparison(ours)
    assert set(frame["variant"]) == set(ROWS)
    row = frame.filter((pl.col("variant") == "xnor") & (pl.col("quantity") == "Clean")).row(0, named=True)
    clean = evaluation.variants.filter(pl.col("variant") == "xnor")["clean_accuracy"][0]
    assert (row["printed"], row["ours"]) == (82.71, pytest.approx(100 * clean))
    assert row["difference"] == pytest.approx(100 * clean - 82.71)
    assert row["differs"] == "digits instead of cifar10; 400 examples instead of 10,000"
    kernel = frame.filter((pl.col("variant") == "pruned") & (pl.col("quantity") == "Memory")).row(0, named=True)
    assert "the paper counts what pruning left" in kernel["differs"]
    assert (kernel["printed"], kernel["examples"]) == (0.59, None)


def test_what_was_not_measured_is_missing_and_says_why(tmp_path: Path) -> None:
    store = write_fake_run(tmp_path)
    half_finished(store)
    run = naming(load(store), rows={"inq": "resnet56/xnor"})
    ours = reproduction(run)
    assert ours is not None
    frame = comparison(ours)
    assert frame["ours"].null_count() == frame["difference"].null_count() == frame.height == 5
    assert set(frame["missing"]) == {
        "not measured yet",
        "the variant is not made",
        "not measured yet, or not read at this strength",
        "no activation maps of it",
    }
    assert {found.verdict for found in findings(ours)} == {"not tested"}


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        ((0.6, 0.5, 0.7), (0.4, 0.3, 0.5), "more"),
        ((0.4, 0.3, 0.5), (0.6, 0.5, 0.7), "less"),
        ((0.6, 0.5, 0.7), (0.5, 0.4, 0.6), "alike"),
        ((2.0, None, None), (1.0, None, None), "more"),
    ],
)
def test_a_difference_inside_its_interval_is_none(one: Any, other: Any, said: str) -> None:
    assert differ(Value(*one), Value(*other)) == said
    assert differ(Value(), Value(*other)) is None


def with_pgd(evaluation: Evaluation, points: dict[str, list[tuple[int, float]]], examples: int = 400) -> Reproduction:
    """The run with these accuracies of each variant along PGD at 2/255, traced."""
    rows = [
        (variant, "pgd", "linf", 2 / 255, step, 1, examples, accuracy, None, 1.0, None, 0.0)
        for variant, curve in points.items()
        for step, accuracy in curve
    ]
    traces = pl.DataFrame(rows, schema=evaluation.traces.schema, orient="row")
    found = reproduction(replace(evaluation, traces=traces))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("curve", "verdict"),
    [
        ([(5, 0.5), (10, 0.3), (15, 0.02), (20, 0.0)], "holds"),
        ([(5, 0.5), (10, 0.03), (15, 0.02)], "does not hold"),
        ([(5, 0.5), (10, 0.3), (15, 0.2), (20, 0.0)], "does not hold"),
        ([(5, 0.5), (10, 0.3), (15, 0.1)], "undecided"),
        ([(5, 0.5), (10, 0.3)], "not tested"),
        ([], "not tested"),
    ],
)
def test_breaking_at_a_step(evaluation: Evaluation, curve: list[tuple[int, float]], verdict: str) -> None:
    ours = with_pgd(evaluation, {"distilled": curve})
    attack = {**PGD, "traced": True}
    found = decide(ours, rule="breaks", rows=["resnet20/kd-kl"], attack=attack, after=10, within=15)
    assert found.verdict == verdict


def test_standing_needs_to_be_attacked_for_as_long(evaluation: Evaluation) -> None:
    ours = with_pgd(evaluation, {"xnor": [(5, 0.5), (50, 0.12)], "pruned": [(5, 0.0), (100, 0.0)]})
    claim = {"rule": "stands", "attack": {**PGD, "traced": True}}
    assert decide(ours, rows=["resnet20/xnor"], upto=50, **claim).verdict == "undecided"
    assert decide(ours, rows=["resnet20/xnor"], upto=5, **claim).verdict == "holds"
    assert decide(ours, rows=["resnet20/weight"], upto=100, **claim).verdict == "does not hold"
    steadier = with_pgd(evaluation, {"xnor": [(5, 0.5), (50, 0.3)]})
    assert decide(steadier, rows=["resnet20/xnor"], upto=100, **claim).verdict == "not tested"


def test_robustness_by_masked_gradients_is_said_to_be(evaluation: Evaluation) -> None:
    claim = {
        "rule": "compare",
        "rows": ["resnet20/xnor"],
        "than": ["resnet20/weight"],
        "reads": [{"read": "attack", "of": "kept", "attack": {"kind": "pgd", "epsilon": 8 / 255, "steps": 20}}],
    }
    evidence = Evidence(check="zero", suspicious=True, says="all are zero")
    record = Masking(masked=True, summary="", examples=10, epsilon=0.1, evidence=(evidence,))
    probes = Probes({"masking": (Found("xnor", record, dict),)})
    plain, masked = (reproduction(replace(evaluation, probes=found)) for found in (Probes(), probes))
    assert plain is not None
    assert masked is not None
    assert (decide(plain, **claim).verdict, decide(plain, **claim).suspect) == ("holds", ("xnor",))
    assert decide(plain, **claim).unprobed == ("xnor",)
    assert decide(masked, **claim).verdict == "only by masked gradients"
    assert decide(masked, **claim).unprobed == ()
    assert decide(masked, **{**claim, "verdict": "alike"}).verdict == "does not hold"
    blind = {"read": "attack", "of": "kept", "attack": {"kind": "gen_attack"}}
    assert decide(masked, **{**claim, "reads": [blind]}).masked == ()


def test_a_part_that_is_denied_outweighs_what_is_missing(ours: Reproduction) -> None:
    clean = {"rule": "compare", "reads": [{"read": "clean"}], "rows": ["resnet20/xnor"]}
    assert decide(ours, than=["resnet20/vanilla"], **clean).verdict == "does not hold"
    assert decide(ours, than=["resnet20/vanilla", "resnet20/channel"], **clean).verdict == "does not hold"
    less = {**clean, "verdict": "less"}
    assert decide(ours, than=["resnet20/vanilla", "resnet20/channel"], **less).verdict == "not tested"
    assert decide(ours, than=["resnet20/vanilla"], **less).verdict == "holds"


def test_files_are_compared_and_limits_reached(ours: Reproduction) -> None:
    reads = {"read": "cost", "column": "encoded_bytes"}
    small = {"rows": ["resnet20/xnor"], "rule": "compare", "than": ["resnet20/weight"], "verdict": "less"}
    assert decide(ours, reads=[reads], **small).verdict == "holds"
    ratio = {"rule": "reaches", "rows": ["resnet20/xnor"], "reads": {"read": "cost", "column": "compression_ratio"}}
    assert [decide(ours, least=least, **ratio).verdict for least in (14, 16)] == ["holds", "does not hold"]


def test_character_is_that_of_the_attack_meant(ours: Reproduction, evaluation: Evaluation) -> None:
    known = evaluation.breaking.filter((pl.col("variant") == "xnor") & (pl.col("attack") == "fgsm"))["character"][0]
    claim = {"rule": "character", "rows": ["resnet20/xnor"], "is": known}
    found = decide(ours, attack={"kind": "fgsm"}, **claim)
    assert found.verdict == "holds"
    assert [part.share for part in found.decisive] == [False]  # a toughness is no percentage, and may be over 1
    assert decide(ours, attack={"kind": "fgsm", "settings": {"loss": "margin"}}, **claim).verdict == "not tested"


def test_transfers_are_pooled_over_pairs(evaluation: Evaluation) -> None:
    def crossings(attack: str, accuracy: float) -> list[tuple[Any, ...]]:
        bounds = (accuracy - 0.02, accuracy + 0.02)
        pairs = [("baseline", "xnor"), ("xnor", "baseline"), ("xnor", "xnor")]
        return [
            (attack, *pair, "linf", 2 / 255, 1, 1, 400, accuracy * (pair[0] != pair[1]), *bounds, 0, 0, 0)
            for pair in pairs
        ]

    claim = {
        "rule": "transfers",
        "rows": ["resnet20/vanilla", "resnet20/xnor"],
        "attack": PGD,
        "than": {"kind": "fgsm"},
    }
    for left, verdict in ((0.9, "holds"), (0.71, "does not hold"), (None, "not tested")):
        rows = [*crossings("fgsm", 0.7), *([] if left is None else crossings("pgd", left))]
        transfers = pl.DataFrame(rows, schema=evaluation.transfers.schema, orient="row")
        run = reproduction(replace(evaluation, transfers=transfers))
        assert run is not None
        found = decide(run, **claim)
        assert found.verdict == verdict
        assert found.parts[0].value.value == (None if left is None else pytest.approx(left))


def paired(evaluation: Evaluation, only: tuple[int, int]) -> Reproduction:
    """The run, with so many examples that only distilled, and only pruned, gets right under FGSM at 8/255."""
    here = (pl.col("attack") == "fgsm") & ((pl.col("epsilon") - 8 / 255).abs() < 1e-9)
    ends = pl.col("one").is_in(["distilled", "pruned"]) & pl.col("other").is_in(["distilled", "pruned"])
    one = pl.when(pl.col("one") == "distilled")
    frame = evaluation.pairwise_counts.with_columns(
        only_one=pl.when(here & ends).then(one.then(only[0]).otherwise(only[1])).otherwise("only_one"),
        only_other=pl.when(here & ends).then(one.then(only[1]).otherwise(only[0])).otherwise("only_other"),
    )
    assert len(evaluation.pairwise_counts.filter(here & ends)) == 1
    found = reproduction(replace(evaluation, pairwise_counts=frame))
    assert found is not None
    return found


@pytest.mark.parametrize(("only", "verdict"), [((40, 8), "more"), ((8, 40), "less"), ((12, 8), "alike")])
@pytest.mark.parametrize("rows", [("distilled", "pruned"), ("pruned", "distilled")])
def test_values_of_the_same_examples_are_compared_by_pairs(
    evaluation: Evaluation, only: tuple[int, int], verdict: str, rows: tuple[str, str]
) -> None:
    ours = paired(evaluation, only)
    if rows[0] == "pruned":
        verdict = {"more": "less", "less": "more"}.get(verdict, verdict)
    reads = {"read": "attack", "attack": {"kind": "fgsm", "epsilon": 8 / 255}}
    claim = {"rule": "compare", "rows": [ROWS[rows[0]]], "than": [ROWS[rows[1]]], "reads": [reads]}
    for said in ("more", "less", "alike"):
        found = decide(ours, verdict=said, **claim)
        assert (found.verdict == "holds") == (said == verdict)
        assert found.parts[0].p_value == pytest.approx(binomtest(only[0], sum(only)).pvalue)
    anyone = {"read": "attack", "attack": {"kind": "fgsm"}}  # over all radii: no pairs
    assert decide(ours, **{**claim, "reads": [anyone]}).parts[0].p_value is None
    kept = {**reads, "of": "kept"}  # of other examples
    assert decide(ours, **{**claim, "reads": [kept]}).parts[0].p_value is None


def test_an_error_is_compared_the_other_way_round(evaluation: Evaluation, ours: Reproduction) -> None:
    rows, than = [ROWS["baseline"]], [ROWS["xnor"]]
    better, wrong = ({"read": "clean", "error": error} for error in (False, True))
    (one,), (two,) = (
        decide(ours, rule="compare", rows=rows, than=than, reads=[reads]).parts for reads in (better, wrong)
    )
    assert (one.outcome, two.outcome) == ("yes", "no")
    assert one.p_value == two.p_value is not None


def test_every_part_is_in_the_file(ours: Reproduction) -> None:
    found = findings(ours)
    frame = findings_table(found, ours)
    assert frame.height == sum(len(item.parts) for item in found)
    assert frame["claim"].n_unique() == len(paper("breakingbed").findings)


def test_a_run_without_a_paper_and_one_with_an_unknown_one(evaluation: Evaluation) -> None:
    without = replace(evaluation, plan=evaluation.plan.model_copy(update={"paper": None}))
    assert reproduction(without) is None
    assert unknown_references(without) == []
    unknown = naming(evaluation, "another")
    assert reproduction(unknown) is None
    assert unknown_references(unknown) == [
        "The comparison with the paper 'another' is left out: the papers known here are breakingbed, robust-compression"
    ]
    odd = naming(evaluation, rows={"baseline": "resnet20/nobody", "nobody": "resnet20/xnor", "xnor": "resnet20/xnor"})
    assert unknown_references(odd) == [
        "'baseline' beside the paper's 'resnet20/nobody' is left out: there is no such row",
        "'nobody' beside the paper's 'resnet20/xnor' is left out: there is no such variant",
    ]
    kept = reproduction(odd)
    assert kept is not None
    assert kept.labels == {"resnet20/xnor": "xnor"}


def test_energy_that_is_modelled_says_so(evaluation: Evaluation) -> None:
    def energy(variant: str, source: str, joules: tuple[float, float]) -> Found[Energy]:
        fields = {"machine": "m", "source": source, "meter": "x", "runs": 4, "examples": 10, "time_s": (1.0, 0.2)}
        return Found(variant, Energy(**fields, energy_j=joules), dict)  # type: ignore[arg-type]

    asked = (energy("baseline", "measured", (9.0, 2.0)), energy("xnor", "modelled", (1.0, 0.0)))
    ours = reproduction(replace(evaluation, probes=Probes({"energy": asked})))
    assert ours is not None
    joules, watts = (Spent(read="energy", column=column) for column in ("energy_j", "power_w"))  # type: ignore[arg-type]
    measured = ours.read("resnet20/vanilla", joules)
    assert (measured.low, measured.high, measured.how) == (
        pytest.approx(9 - 1.96, abs=1e-3),
        pytest.approx(10.96, abs=1e-3),
        "",
    )
    assert ours.read("resnet20/xnor", joules) == Value(1.0, examples=10, how="modelled, not measured")
    assert ours.read("resnet20/xnor", watts).why == "its energy probe has none"
    assert ours.read("resnet20/kd-kl", joules).why == "no energy probe of it"


def test_maps_fall_where_their_intervals_say_so(evaluation: Evaluation) -> None:
    def maps(variant: str, quartiles: tuple[float, ...]) -> Found[ActivationMaps]:
        readings = tuple(
            MapReading(
                steps=steps, prediction=0, third_quartile=99.0, mean=mean, low=mean - 5, high=mean + 5, examples=64
            )
            for steps, mean in zip((0, 1, 5), quartiles, strict=True)
        )
        shown = ShownExample(example_id=0, label=0)
        record = ActivationMaps(method="cam", layer="l", attack="deepfool", shown=shown, readings=readings)
        return Found(variant, record, dict)

    asked = (maps("baseline", (184, 171, 135)), maps("xnor", (98, 97, 60)))
    ours = reproduction(replace(evaluation, probes=Probes({"activation_maps": asked})))
    assert ours is not None
    claim = {"rule": "falls", "reads": [{"read": "map", "steps": steps} for steps in (0, 1, 5)]}
    assert decide(ours, rows=["resnet20/vanilla"], **claim).verdict == "holds"
    assert decide(ours, rows=["resnet20/xnor"], **claim).verdict == "does not hold"
    assert decide(ours, rows=["resnet20/kd-kl"], **claim).verdict == "not tested"
