"""AMC: every episode spends the budget, the agent finds what is useless, and a seed decides what it finds."""

from __future__ import annotations

import json
import random
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from brinell import costs
from brinell.compressors import Prune
from brinell.compressors.budgets.budget import Budget
from brinell.compressors.budgets.resolved_budget import ResolvedBudget
from brinell.compressors.granularities import Cost, Granularity, Term, prunable_units
from brinell.compressors.rates import AMC, ChosenRates, RateProblem, Uniform
from brinell.compressors.rates.amc_agent import _truncated
from brinell.compressors.rates.amc_environment import LayerWalk, feasible_interval
from brinell.core import ConfigurationError, StoreError, no_progress
from brinell.data import Dataset
from brinell.models import ResNet8
from brinell.training import Train
from brinell.variants import Variant

STILL = Train(epochs=0)


def case(module: nn.Module, data: Dataset, granularity: Granularity = "filter", **budget: float) -> RateProblem:
    module = module.eval()
    layers = costs.layers(module, (1, 8, 8))
    parts = prunable_units(module, layers, (1, 8, 8), granularity)
    parameters = sum(weight.numel() for weight in module.parameters())
    return RateProblem(
        module=module,
        parts=parts,
        layers={layer.name: layer for layer in layers},
        resolved=Budget.model_validate(budget or {"macs": 0.5}).resolve(parts, layers, parameters, lambda counts: 0),
        data=data,
        seed=0,
        device=torch.device("cpu"),
        checkpoint=None,
        context="",
        progress=no_progress,
    )


def with_a_useless_block(variant: Variant) -> nn.Module:
    """The second block adds nothing to its shortcut, so that its inner channels can all go."""
    module = variant.deployed()
    norm = dict(module.named_modules())["model.layer2.0.bn2"]
    assert isinstance(norm, nn.BatchNorm2d)
    norm.weight.data.zero_()
    norm.bias.data.zero_()
    return module


@pytest.mark.parametrize("granularity", ["weight", "channel"])
def test_the_agent_finds_the_layer_that_is_useless(
    granularity: Granularity, baseline: Variant, sample: Dataset
) -> None:
    module = with_a_useless_block(baseline)
    scene = case(module, sample, granularity, macs=0.6)
    chosen = AMC(episodes=45, examples=300).choose(scene)
    figures, uniform = chosen.figures["amc"], scene.resolved.share
    assert figures["chosen"] > figures["uniform"] + 0.05
    assert figures["uniform_rates"] == dict.fromkeys(scene.resolved.units, round(uniform, 4))
    assert figures["random_episodes"] == 15  # a third of them
    useless = "model.layer2.0.conv1" if granularity == "channel" else "model.layer2.0.conv2"
    assert chosen.shares[useless] < uniform
    assert scene.resolved.cost(chosen.shares) == pytest.approx(scene.resolved.total)


@pytest.mark.slow
def test_later_episodes_are_better_than_random_ones(baseline: Variant, sample: Dataset) -> None:
    scene = case(with_a_useless_block(baseline), sample, "weight", macs=0.4)
    scores = AMC(episodes=120, examples=200).choose(scene).figures["amc"]["episodes"]["score"]
    assert np.mean(scores[90:]) > np.mean(scores[:40]) + 0.02


@given(
    units=st.lists(st.integers(2, 40), min_size=1, max_size=5),
    amounts=st.lists(st.floats(1, 100), min_size=9, max_size=9),
    share=st.floats(0.3, 0.95),
    places=st.lists(st.floats(0, 1), min_size=5, max_size=5),
)
@settings(max_examples=60)
def test_every_walk_spends_the_budget_exactly(
    units: list[int], amounts: list[float], share: float, places: list[float]
) -> None:
    names = [f"layer{at}" for at in range(len(units))]
    chain = [Term(amount, (name,)) for name, amount in zip(names, amounts, strict=False)]
    pairs = [Term(amounts[at], (names[at], names[at + 1])) for at in range(len(names) - 1)]
    cost = Cost(amounts[-1], (*chain, *pairs, Term(amounts[-2], (names[0], names[0]))))
    whole, least = dict.fromkeys(names, 1.0), dict.fromkeys(names, 0.2 * share)
    total = cost(least) + share * (cost(whole) - cost(least))
    resolved = ResolvedBudget(dict(zip(names, units, strict=True)), cost, total)
    done: dict[str, float] = {}
    for name, place in zip(names, places, strict=False):
        low, high = feasible_interval(resolved, done, name, least)
        assert least[name] - 1e-9 <= low <= high + 1e-9 <= 1 + 2e-9
        done[name] = low + place * (high - low)
    assert cost(done) == pytest.approx(total, rel=1e-6)


def test_observations_say_what_was_saved_and_what_is_left(baseline: Variant, sample: Dataset) -> None:
    scene = case(baseline.trainable(), sample, "weight", macs=0.5)
    judged: list[dict[str, float]] = []
    walk = LayerWalk(scene, scene.resolved.smallest, lambda shares: judged.append(dict(shares)) or 0.25)
    first, _ = walk.reset()
    assert first.shape == walk.observation_space.shape == (11,)
    assert first[0] == first[8] == 0
    assert first[10] == 1
    seen, reward = [first], 0.0
    for step in range(len(walk.layers)):
        observation, reward, ended, _, _ = walk.step(np.zeros(1, np.float32))
        assert walk.observation_space.contains(observation)
        assert ended == (step == len(walk.layers) - 1)
        seen.append(observation)
    assert reward == 0.25
    assert seen[-1][8] == pytest.approx(0.5, abs=1e-5)  # all of the savings are made
    assert [row[9] for row in seen] == sorted((row[9] for row in seen), reverse=True)
    assert scene.resolved.cost(judged[0]) == pytest.approx(scene.resolved.total)
    assert judged[0] == pytest.approx(dict.fromkeys(walk.layers, 0.5))  # who says nothing prunes uniformly


@given(mean=st.floats(0, 1), sigma=st.floats(1e-6, 0.5), at=st.floats(0, 1))
def test_noise_is_truncated_to_where_actions_are(mean: float, sigma: float, at: float) -> None:
    assert 0 <= _truncated(mean, sigma, at) <= 1


def test_the_noise_is_a_normal_distribution_between_its_ends() -> None:
    drawn = np.array([_truncated(0.3, 0.2, at) for at in np.linspace(0.0005, 0.9995, 1000)])
    alone = np.random.default_rng(0).normal(0.3, 0.2, 200_000)
    alone = alone[(alone >= 0) & (alone <= 1)]
    assert drawn.mean() == pytest.approx(alone.mean(), abs=2e-3)
    assert drawn.std() == pytest.approx(alone.std(), abs=2e-3)


def test_a_search_leaves_no_files_behind(
    baseline: Variant, sample: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    AMC(episodes=2, examples=50).choose(case(baseline.trainable(), sample))
    assert not list(tmp_path.iterdir())


def test_a_seed_decides_and_global_random_states_stay(baseline: Variant, sample: Dataset) -> None:
    rule, scene = AMC(episodes=12, examples=100), case(baseline.trainable(), sample)
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()
    first = rule.choose(scene)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == states[:2]
    assert torch.equal(torch.get_rng_state(), states[2])
    random.seed(1)
    np.random.seed(1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        assert rule.choose(scene) == first
    assert rule.choose(replace(scene, seed=1)).figures != first.figures


@pytest.mark.parametrize("granularity", ["weight", "kernel", "filter", "channel"])
@pytest.mark.parametrize(
    "budget", [{"macs": 0.5}, {"sparsity": 0.5}, {"parameters": 0.7}], ids=lambda budget: next(iter(budget))
)
def test_all_granularities_and_budgets(
    granularity: str, budget: dict[str, float], baseline: Variant, sample: Dataset
) -> None:
    rates = {"kind": "amc", "episodes": 4, "examples": 50}
    labels = []
    prune = Prune.parse({"granularity": granularity, "budget": budget, "rates": rates, "train": STILL})
    child = prune.compress(
        baseline, sample, seed=0, progress=lambda label, done, total: labels.append((label, done, total))
    )
    figures = child.lineage[-1].figures["amc"]
    assert [done for label, done, total in labels if label.startswith("amc, best") and total == 4] == [1, 2, 3, 4]
    assert figures["episodes"]["episode"] == [1, 2, 3, 4]
    assert figures["chosen"] in (figures["uniform"], *figures["episodes"]["score"])
    assert figures["second_look"]["chosen"] >= figures["second_look"]["uniform"]
    assert set(figures["rates"]) == set(child.lineage[-1].figures["units"])
    json.dumps(figures, allow_nan=False)
    ((kind, value),) = budget.items()
    measured, whole = costs.measure(child, sparse=True), costs.measure(baseline)
    if kind == "macs":
        assert 0.9 * value < measured.macs / whole.macs <= value
    if kind == "sparsity":
        assert 0.9 * value < measured.nonzero / whole.weights <= value + 1e-9


def test_robust_accuracy_is_another_reward(baseline: Variant, sample: Dataset) -> None:
    scene = case(baseline.trainable(), sample, "weight", macs=0.9)
    clean = AMC(episodes=3, examples=100).choose(scene).figures["amc"]
    robust = AMC.parse(
        {"episodes": 3, "examples": 100, "reward": "robust_accuracy", "attack": {"kind": "fgsm", "epsilon": 0.1}}
    )
    assert robust.choose(scene).figures["amc"]["uniform"] < clean["uniform"]


def test_the_choice_outlives_a_kill(
    baseline: Variant, sample: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule, scene = AMC(episodes=4, examples=50), replace(case(baseline.trainable(), sample), checkpoint=tmp_path)
    first = rule.choose(scene)

    def searched(*arguments: Any) -> ChosenRates:
        raise AssertionError("searched again")

    monkeypatch.setattr(AMC, "_search", searched)
    assert rule.choose(scene) == first
    for other in (replace(scene, context="another network"), replace(scene, seed=1)):
        with pytest.raises(StoreError, match="of another run"):
            rule.choose(other)
    (tmp_path / "amc.json").write_text("{")
    with pytest.raises(StoreError, match="cannot be read"):
        rule.choose(scene)


def test_it_says_which_extra_is_missing(baseline: Variant, sample: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "stable_baselines3", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'brinell\[amc\]'"):
        AMC().choose(case(ResNet8(width=4).module(), sample))


def test_uniform_rates_stay_where_nothing_was_better(
    baseline: Variant, sample: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AMC, "_score", lambda *arguments: lambda network: 0.5)
    scene = case(baseline.trainable(), sample)
    assert AMC(episodes=3).choose(scene).shares == Uniform().choose(scene).shares
