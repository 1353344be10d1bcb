"""`limits` of a study: a search from its YAML to confirmed networks, and what is refused before anything trains."""

from __future__ import annotations

import shutil
from copy import deepcopy
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from brinell.analysis import load
from brinell.analysis.limit_results import limit_results
from brinell.core import ConfigurationError
from brinell.reporting import write
from brinell.store import RunStore
from brinell.study import Study, run
from brinell.study.runner import RunStarted
from brinell.study.tasks import VariantTask

STUDY = """
name: limited
data: {kind: digits, train: {holdout: 97}, test: {examples: 200}}
models:
  small: {kind: resnet8, width: 4}
variants:
  base: {model: small, train: {epochs: 6, batch_size: 64, learning_rate: 0.05}}
attacks:
  fgsm: {kind: fgsm, epsilon: 4/255}
  pgd: {kind: pgd, epsilon: 4/255, steps: 5}
probes: {masking: false}
block: 100
limits:
  smallest:
    from: base
    minimise: bytes
    keep: [clean_accuracy >= -0.1, worst_case within 4/255 >= -0.3]
    families:
      powers: {kind: inq, weight_bits: {search: [2, 7]}, train: {epochs: 1, batch_size: 64, learning_rate: 0.01}}
    attacks: {screen: {kind: fgsm, epsilon: 4/255, examples: 100}}
    budget: {variants: 4}
"""


@pytest.fixture
def config() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(STUDY)
    return found


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("runs") / "limited"
    run(Study.parse(yaml.safe_load(STUDY)), out=root, threads=1)
    return root


def test_a_search_names_a_network_that_is_confirmed(searched: Path) -> None:
    evaluation = load(RunStore.open(searched))
    found = limit_results(evaluation)
    assert evaluation.problems == ()
    assert 2 <= len(found) <= 4
    assert found["numbers"].to_list()[:2] == ["weight_bits 2", "weight_bits 7"]
    kept = found.filter(pl.col("smallest"))
    assert len(kept) == 1
    row = kept.row(0, named=True)
    assert (row["verdict"], row["screening_verdict"], row["baseline"]) == ("met", "met", "base")
    # The definition: no network that screening kept is cheaper and was not found wanting in full.
    cheaper = found.filter((pl.col("screening_verdict") == "met") & (pl.col("cost") < row["cost"]))
    assert cheaper["verdict"].is_in(["not met", "undecided"]).all()
    # It was judged by every attack of the study on all examples, as the networks that were dropped were not.
    trials = {(t.attack, t.judged_on) for t in evaluation.plan.trials}
    keys = dict(evaluation.variants.select("variant", "key").iter_rows())
    assert {("fgsm", keys[row["variant"]]), ("pgd", keys[row["variant"]])} <= trials
    dropped = found.filter(pl.col("verdict").is_null())["variant"].to_list()
    assert not {("pgd", keys[name]) for name in dropped} & trials
    coverage = evaluation.coverage.filter((pl.col("variant") == row["variant"]) & (pl.col("attack") == "pgd"))
    assert coverage["examples"].to_list() == [200]


def test_running_it_again_computes_nothing(searched: Path) -> None:
    left: list[int] = []
    before = (searched / "study.json").read_bytes()
    result = run(
        Study.parse(yaml.safe_load(STUDY)),
        out=searched,
        threads=1,
        observe=lambda event: left.append(len(event.left)) if isinstance(event, RunStarted) else None,
    )
    assert set(left) == {0}
    assert result.endings == ()
    assert (searched / "study.json").read_bytes() == before


def test_a_larger_budget_goes_on_with_what_there_is(searched: Path, config: dict[str, Any], tmp_path: Path) -> None:
    config["limits"]["smallest"]["budget"]["variants"] = 2
    first = run(Study.parse(config), out=tmp_path / "run", threads=1)
    config["limits"]["smallest"]["budget"]["variants"] = 4
    second = run(Study.parse(config), out=tmp_path / "run", threads=1)
    known, made = (
        {ending.task.variant.key for ending in result.endings if isinstance(ending.task, VariantTask)}
        for result in (first, second)
    )
    assert made
    assert not made & known
    assert second.plan.limits == RunStore.open(searched).plan().limits


def test_a_search_that_was_killed_ends_as_one_that_was_not(
    searched: Path, config: dict[str, Any], tmp_path: Path
) -> None:
    """What a kill between the networks of a search leaves: a plan of fewer, and neither the last one nor its rows."""
    store = RunStore(shutil.copytree(searched, tmp_path / "run"))
    plan = store.plan()
    (limit,) = plan.limits
    last = next(one.variant for one in reversed(limit.tried) if not one.confirmed)
    shutil.rmtree(store.variant(last))
    for trial in (trial for trial in plan.trials if trial.judged_on == last):
        shutil.rmtree(store.root / "trials" / trial.key)
    earlier = limit.model_copy(update={"tried": limit.tried[:1]})
    store.write_study("", plan.model_copy(update={"limits": (earlier,)}), store.environment())
    result = run(Study.parse(config), out=store.root, threads=1)
    assert result.plan.limits == plan.limits
    assert {ending.task.variant.key for ending in result.endings} == {last}


def test_hours_end_a_search_and_more_of_them_go_on_with_it(
    searched: Path, config: dict[str, Any], tmp_path: Path
) -> None:
    root = shutil.copytree(searched, tmp_path / "run")
    before = RunStore.open(root).plan().limits[0]
    limit = config["limits"]["smallest"]
    limit["budget"], limit["families"]["powers"]["weight_bits"] = {"hours": 1e-9}, {"search": [2, 7]}
    first = run(Study.parse(config), out=root, threads=1).plan.limits[0]
    # What was there takes no time; one round more spends all that there is.
    assert first.tried[: len(before.tried)] == before.tried[: len(first.tried)]
    assert len(before.tried) <= len(first.tried) <= len(before.tried) + 1
    plan = (root / "study.json").read_bytes()
    assert run(Study.parse(config), out=root, threads=1).endings == ()
    assert (root / "study.json").read_bytes() == plan
    limit["budget"] = {"hours": 1.0, "variants": 4}
    more = run(Study.parse(config), out=root, threads=1).plan.limits[0]
    assert len(more.tried) >= len(first.tried)
    assert (more.hours, more.budget) == (1.0, 4)
    assert 0.0 <= (more.seconds or 0.0) < 3600


def test_two_goals_confirm_a_front(searched: Path, config: dict[str, Any], tmp_path: Path) -> None:
    pytest.importorskip("optuna", reason="the extra limits is not installed")
    root = shutil.copytree(searched, tmp_path / "run")
    config["probes"] = {"masking": False, "latency": {"batches": [1], "runs": 5}}
    study = Study.parse(
        changed(config, minimise=["bytes", "latency_ms"], keep=["clean_accuracy >= -0.95"], budget={"variants": 2})
    )
    run(study, out=root, threads=1)
    found = limit_results(load(RunStore.open(root)))
    assert set(found["goal"]) == {"bytes"}
    assert set(found["second_goal"]) == {"latency_ms"}
    best = found.filter(pl.col("smallest"))
    assert not best.is_empty()
    for row in best.iter_rows(named=True):
        assert row["verdict"] == "met"
        beaten = (pl.col("cost") < row["cost"]) & (pl.col("second_cost") < row["second_cost"])
        assert found.filter(beaten & (pl.col("verdict") == "met")).is_empty()
    page = write(root).read_text()
    assert "that no other one beats in both" in page
    assert "Second ratio" in page


def test_it_round_trips(config: dict[str, Any]) -> None:
    study = Study.parse(config)
    assert Study.parse(study.config()) == study
    assert "limits" not in Study.parse({**config, "limits": {}}).config()


def changed(config: dict[str, Any], **changes: Any) -> dict[str, Any]:
    config = deepcopy(config)
    config["limits"]["smallest"] |= changes
    return config


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"minimise": "beauty"}, "limits.smallest.minimise: nobody can minimise 'beauty'; accepted: bytes"),
        ({"minimise": "latency_ms"}, r"minimise: nobody measures latency_ms of base; it takes probes: {latency: true}"),
        ({"keep": []}, "limits.smallest.keep: expected conditions"),
        ({"keep": ["beauty >= 1"]}, "limits.smallest.keep.0: 'beauty >= 1': 'beauty' is no metric"),
        ({"keep": ["clean_accuracy >= +0.01"]}, "the baseline itself fails it"),
        ({"keep": ["worst_case >= -0.01"]}, "name a radius"),
        ({"keep": ["clean_accuracy of base >= -0.01"]}, "leave 'of' out"),
        ({"keep": ["worst_case within 2/255 >= -0.01"]}, "no attack on base is read at 2/255"),
        (
            {"budget": {"variants": 1}},
            "limits.smallest.budget.variants: expected at least 2, two for each family, not 1",
        ),
        ({"budget": {"variants": 0}}, "limits.smallest.budget.variants: expected at least 1"),
        ({"budget": {"hours": 0}}, "limits.smallest.budget.hours: .*greater than 0"),
        ({"budget": {"hours": ".inf"}}, "limits.smallest.budget.hours: "),
        ({"budget": {}}, "limits.smallest.budget: expected variants: COUNT or hours: NUMBER"),
        ({"budget": None}, "limits.smallest.budget: "),
        ({"minimise": ["bytes", "bytes"]}, "limits.smallest.minimise: expected one cost or two different ones"),
        ({"minimise": []}, "limits.smallest.minimise: expected one cost or two different ones"),
        ({"minimise": ["bytes", "macs", "parameters"]}, "limits.smallest.minimise: expected one cost or two"),
        ({"minimise": "bytes on openvino"}, "nobody can minimise 'bytes on openvino'; a runtime"),
        ({"minimise": "macs"}, "limits.smallest.families.powers: inq never lowers macs; leave the family out"),
        (
            {"keep": ["clean_accuracy >= -0.1", "parameters <= -20%"]},
            "limits.smallest.families.powers: inq never lowers parameters; .* or change 'parameters <= -20%'",
        ),
        ({"epochs": {"screen": 0}}, "limits.smallest.epochs.screen"),
        (
            {"families": {"a": {"kind": "fine_tune", "train": {"epochs": {"search": [1, 4]}}}}},
            "limits.smallest.families.a: fine_tune never lowers encoded_bytes",
        ),
        (
            {"families": {"a": {"kind": "prune", "granularity": {"search": ["weight", "kernell", "channel"]}}}},
            "limits.smallest.families.a: 0.granularity: .*kernell",
        ),
        ({"families": {"a": "prune"}}, "limits.smallest.families.a: expected a compressor, or a list of them"),
        ({"families": {"a": None}}, "limits.smallest.families.a: expected a compressor, or a list of them"),
        ({"from": "nobody"}, "limits.smallest.from: there is no 'nobody'"),
        ({"families": {}}, "limits.smallest.families: at least one is needed"),
        ({"families": {"a": {"kind": "inq", "weight_bits": 3}}}, "families.a: nothing is searched"),
        ({"families": {"a": {"kind": "inq", "weight_bits": {"search": [3]}}}}, "0.weight_bits: expected search"),
        (
            {"families": {"a": {"kind": "inq", "weight_bits": {"search": [1, 99]}}}},
            "limits.smallest.families.a: .*weight_bits",
        ),
        ({"families": {"a": {"kind": "inq", "weight_bits": {"search": [2.5, 4.5]}}}}, "weight_bits"),
        ({"families": {"a": {"kind": "inqq", "weight_bits": {"search": [3, 5]}}}}, "inqq"),
        ({"attacks": {"screen": {"kind": "fgsm", "epsilon": 1 / 255}}}, "attacks.screen is not read at the radius"),
        ({"atacks": {}}, "limits.smallest.atacks: unknown key; did you mean 'attacks'"),
    ],
)
def test_what_can_never_succeed_is_refused_before_anything_trains(
    config: dict[str, Any], changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigurationError, match=words):
        Study.parse(changed(config, **changes))


def test_an_end_that_the_network_cannot_meet_is_refused_before_anything_trains(
    config: dict[str, Any], tmp_path: Path
) -> None:
    families = {"channels": {"kind": "prune", "granularity": "channel", "budget": {"macs": {"search": [0.0001, 0.9]}}}}
    with pytest.raises(ConfigurationError, match=r"limits.smallest.families.channels: at .*budget.macs 0.0001: "):
        run(Study.parse(changed(config, families=families)), out=tmp_path / "run", threads=1)
    assert not list((tmp_path / "run").glob("variants/*"))


def test_a_condition_that_the_baseline_fails_ends_the_search_before_it_begins(
    config: dict[str, Any], searched: Path, tmp_path: Path
) -> None:
    root = shutil.copytree(searched, tmp_path / "run")
    study = Study.parse(changed(config, keep=["worst_case within 4/255 >= 0.999"]))
    with pytest.raises(ConfigurationError, match=r"limits.smallest.keep: .*base fails it itself, with 0\."):
        run(study, out=root, threads=1)


def test_the_page_shows_the_sentence_the_graph_and_what_was_tried(searched: Path) -> None:
    found = limit_results(load(RunStore.open(searched)))
    page = write(searched).read_text()
    smallest = found.filter(pl.col("smallest")).row(0, named=True)
    lead = page.partition('<p class="lead">')[2].partition("</p>")[0]
    assert "can be compressed" in lead  # the page opens with the answer
    assert "smallest keeps clean_accuracy" in page
    assert "How far it can be compressed" in page
    assert f"variants/{RunStore.open(searched).plan().limits[0].tried[0].variant}" not in page  # 2 bits broke it
    assert smallest["variant"] in page
    frame = pl.read_csv(searched / "report" / "tables" / "limits-tried.csv")
    assert frame["ratio"].to_list() == pytest.approx(found["ratio"].to_list())
    costs = dict(load(RunStore.open(searched)).variants.select("variant", "encoded_bytes").iter_rows())
    assert smallest["ratio"] == pytest.approx(costs["base"] / costs[smallest["variant"]])
    for name in ("compression-strain", "search-front"):
        assert (searched / "report" / "figures" / f"{name}.svg").is_file()
    key = next(one.variant for one in RunStore.open(searched).plan().limits[0].tried if one.confirmed)
    assert f'href="../variants/{key}/variant.brinell" download' in page
    breaking = pl.read_csv(searched / "report" / "tables" / "limits-breaking.csv")
    every = breaking.filter(pl.col("conditions") == "all").row(0, named=True)
    assert every["kept_ratio"] == pytest.approx(smallest["ratio"])
    assert every["broken_ratio"] is None or every["broken_ratio"] > every["kept_ratio"]
