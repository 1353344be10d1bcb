"""A study with what its searches asked for: ordinary variants, made once, screened by few and confirmed by all."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from brinell.analysis.searched_variants import screened_variants
from brinell.study import Splits, Study
from brinell.study.limit_stages import Stage

STUDY = """
name: stages
data: {kind: digits, test: {examples: 120}}
models: {small: {kind: resnet8, width: 2}}
variants:
  base: {model: small, train: {epochs: 1}}
  five: {from: base, compress: {kind: inq, weight_bits: 5}}
  other: {model: small, train: {epochs: 2}}
attacks:
  fgsm: {kind: fgsm, epsilon: 4/255}
  pgd: {kind: pgd, epsilon: 4/255, variants: [base, five]}
  slow: {kind: pgd, epsilon: 8/255, variants: [other]}
transfer: {attack: {kind: fgsm, epsilon: 4/255}, sources: all, targets: all}
probes: {masking: {epsilon: 4/255, examples: 10}, latency: true}
requirements: [clean_accuracy >= 0.5]
block: 50
limits:
  one:
    from: base
    minimise: bytes
    keep: [clean_accuracy >= -0.1, worst_case within 4/255 >= -0.3]
    families:
      powers: {kind: inq, weight_bits: {search: [2, 7]}}
      both: [{kind: prune, budget: {macs: {search: [0.5, 0.9]}}}, {kind: inq, weight_bits: {search: [3, 4, 5]}}]
    attacks: {screen: {kind: fgsm, epsilon: 4/255, examples: 60}}
    budget: {variants: 8}
  two:
    from: base
    minimise: bytes
    keep: [clean_accuracy >= -0.2]
    families: {powers: {kind: inq, weight_bits: {search: [2, 7]}}}
    budget: {variants: 2}
"""


@pytest.fixture
def stage() -> Stage:
    study = Study.parse(yaml.safe_load(STUDY))
    return Stage(study, Splits(study.data))


def attacked(plan: Any, name: str) -> dict[str, int]:
    """Examples by the attacked variant."""
    names = {variant.key: variant.name for variant in plan.variants}
    return {
        names[trial.judged_on]: sum(block.stop - block.start for block in trial.blocks)
        for trial in plan.trials
        if trial.attack == name
    }


def test_what_is_the_same_is_made_once(stage: Stage) -> None:
    assert stage.add("one", "powers", (5,)).variant == "five"  # the study's own
    first, again = stage.add("one", "powers", (3,)), stage.add("two", "powers", (3,))
    assert first.variant == again.variant == "one-powers-2"
    assert stage.add("one", "powers", (3,)) is first
    assert len(stage.tried["one"]) == 2
    assert stage.add("one", "both", (0.7, 4)).numbers == {"0.budget.macs": 0.7, "1.weight_bits": 4}
    stage.add("one", "both", (0.7, 5))
    _, plan = stage.plan()
    names = [variant.name for variant in plan.variants]
    assert names[3:] == ["one-powers-2", "one-both-1-step1", "one-both-1", "one-both-2"]
    records = {variant.name: variant for variant in plan.variants}
    assert records["one-both-2"].parent == records["one-both-1-step1"].key
    assert records["one-both-2"].baseline == records["base"].key


def test_screened_by_one_attack_and_confirmed_by_all_that_attack_the_parent(stage: Stage) -> None:
    few, every, sure = (stage.add("one", "powers", (bits,)) for bits in (2, 3, 4))
    every.level = 1
    sure.confirmed = True
    now, plan = stage.plan()
    assert attacked(plan, "one-screen") == {"base": 100, few.variant: 100, sure.variant: 100}  # 60, in blocks of 50
    assert attacked(plan, "one-screen-all") == {"base": 120, every.variant: 120}
    assert set(attacked(plan, "pgd")) == {"base", "five", sure.variant}
    assert set(attacked(plan, "fgsm")) == {"base", "five", "other", sure.variant}
    assert set(attacked(plan, "slow")) == {"other"}
    assert set(attacked(plan, "transfer")) == {"base", "five", "other"}
    assert set(now.probes["masking"].variants or ()) == {"base", "five", "other", sure.variant}
    limit = plan.limits[0]
    assert [(one.screen, one.confirmed) for one in limit.tried] == [
        ("one-screen", False),
        ("one-screen-all", False),
        ("one-screen", True),
    ]
    assert plan.limits[1].tried == ()
    assert plan.requirements == ("clean_accuracy >= 0.5",)


def test_without_a_condition_on_attacked_networks_nothing_is_attacked(stage: Stage) -> None:
    tried = stage.add("two", "powers", (2,))
    _, plan = stage.plan()
    assert stage.screen_name("two", tried) is None
    assert not [trial for trial in plan.trials if trial.attack.startswith("two")]


def test_networks_of_the_study_keep_their_keys(stage: Stage) -> None:
    _, before = stage.plan()
    stage.add("one", "powers", (2,)).confirmed = True
    _, after = stage.plan()
    assert {trial.key for trial in before.trials} <= {trial.key for trial in after.trials}
    assert before.variants == after.variants[: len(before.variants)]


def test_few_examples_are_doubled_up_to_all(stage: Stage) -> None:
    assert stage.sizes("one") == (100, 120)
    assert stage.sizes("two") == (120,)  # nothing is attacked
    study = Study.parse(stage.study.config() | {"block": 20, "data": {"kind": "digits", "test": {"examples": 290}}})
    more = Stage(study, Splits(study.data))
    assert more.sizes("one") == (60, 120, 240, 290)
    tried = more.add("one", "powers", (3,))
    tried.level = 2
    assert more.screen_name("one", tried) == "one-screen-240"
    assert attacked(more.plan()[1], "one-screen-240") == {"base": 240, "one-powers-1": 240}


def test_networks_that_are_trained_less_while_they_are_screened(stage: Stage) -> None:
    config = stage.study.config()
    config["limits"]["one"]["epochs"] = {"screen": 1}
    study = Study.parse(config)
    short = Stage(study, Splits(study.data))
    tried = short.add("one", "both", (0.7, 3))
    entry = short.made[tried.variant]
    assert (entry["compress"]["train"]["epochs"], short.made[entry["from"]]["compress"]["train"]["epochs"]) == (1, 1)
    full = short.confirm("one", tried)
    assert (full.variant, full.confirmed, tried.confirmed) == ("one-both-1-full", True, False)
    assert short.made[full.variant]["compress"] == stage.made[stage.add("one", "both", (0.7, 3)).variant]["compress"]
    assert full.variant in attacked(short.plan()[1], "pgd")
    same = stage.add("one", "powers", (5,))
    assert stage.confirm("one", same) is same


def test_what_searches_made_and_did_not_confirm_is_no_failure_of_the_study(stage: Stage) -> None:
    stage.add("one", "powers", (2,))
    stage.add("one", "both", (0.7, 3)).confirmed = True
    stage.add("one", "both", (0.6, 3))
    _, plan = stage.plan()
    names = {variant.key: variant.name for variant in plan.variants}
    assert {names[key] for key in screened_variants(plan)} == {"one-powers-1", "one-both-2-step1", "one-both-2"}
    assert screened_variants(plan.model_copy(update={"limits": ()})) == set()


def test_what_is_withdrawn_is_not_made(stage: Stage) -> None:
    kept = stage.add("one", "both", (0.7, 3))
    before = dict(stage.made)
    stage.withdraw("one", stage.add("one", "both", (0.6, 4)))
    assert stage.made == before
    assert stage.tried["one"] == [kept]


def test_what_decides_on_the_baseline_is_planned_alone(stage: Stage) -> None:
    now, planned = stage.plan_baselines()
    assert [variant.name for variant in planned.variants] == ["base"]
    assert {trial.attack for trial in planned.trials} == {"clean", "one-screen"}
    assert {trial.key for trial in planned.trials} <= {trial.key for trial in stage.plan()[1].trials}
    assert planned.probes == ()
    assert now.probes == {}
