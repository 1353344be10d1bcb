"""Pruning: budgets are met to the weight, zeros are the smallest weights and stay zero."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from brinell import costs
from brinell.compressors import Prune
from brinell.compressors.budgets.budget import Budget
from brinell.compressors.budgets.resolved_budget import ResolvedBudget
from brinell.compressors.checks.float_layers import float_weights
from brinell.compressors.checks.recount import count_bytes
from brinell.compressors.granularities import Cost, Term
from brinell.compressors.training_stages import top_k_mask
from brinell.core import ConfigurationError, ModelError
from brinell.data import Dataset
from brinell.training import Train
from brinell.variants import Variant

QUICK = Train(epochs=1, batch_size=50, learning_rate=0.05, weight_decay=1e-3)


def weights(variant: Variant) -> dict[str, torch.Tensor]:
    return {name: weight.detach() for name, weight in float_weights(variant.deployed()).items()}


@pytest.mark.parametrize("sparsity", [0.0, 0.3, 0.5, 0.777, 0.9])
def test_sparsity_is_exact_and_the_zeros_are_the_smallest(sparsity: float, baseline: Variant, sample: Dataset) -> None:
    before = weights(baseline)
    train = QUICK.model_copy(update={"epochs": 4 if sparsity == 0.9 else 1})
    after = weights(Prune(budget={"sparsity": sparsity}, train=train).compress(baseline, sample, seed=0))
    assert len(after) == 8
    whole = sum(weight.numel() for weight in after.values())
    assert sum(int((weight == 0).sum()) for weight in after.values()) == math.ceil(sparsity * whole)
    for name, weight in after.items():
        gone, kept = before[name][weight == 0].abs(), before[name][weight != 0].abs()
        assert abs(len(gone) - sparsity * weight.numel()) <= 1
        assert not len(gone) or gone.max() <= kept.min()
        assert not torch.signbit(weight[weight == 0]).any()  # one zero, not two
        assert not torch.equal(weight[weight != 0], before[name][weight != 0])  # the others were trained


@pytest.mark.parametrize("share", [0.5, 0.25, 1.0])
def test_the_macs_that_are_left_meet_the_budget(share: float, baseline: Variant, sample: Dataset) -> None:
    child = Prune(budget={"macs": share}, train=QUICK).compress(baseline, sample, seed=0)
    dense = costs.measure(baseline).macs
    left = costs.measure(child, sparse=True).macs
    assert left <= share * dense
    assert left > share * dense - 64  # one weight at the largest map
    assert child.lineage[-1].figures["macs_kept"] == pytest.approx(left / dense)


def test_the_parameters_that_are_left_meet_the_budget(baseline: Variant, sample: Dataset) -> None:
    child = Prune(budget={"parameters": 0.4}, train=QUICK).compress(baseline, sample, seed=0)
    module = child.deployed()
    whole = sum(parameter.numel() for parameter in module.parameters())
    gone = sum(int((weight == 0).sum()) for weight in weights(child).values())
    assert whole - gone == int(0.4 * whole)


def test_budgets_that_cannot_be_met_are_refused_before_training(baseline: Variant, sample: Dataset) -> None:
    def no_training(label: str, done: float, total: float) -> None:
        raise AssertionError("training began")

    cases = [
        (
            {"parameters": 0.01},
            r"budget\.parameters: 0\.01 cannot be met: the smallest possible is 0\.0\d+, with one weight",
        ),
        ({"sparsity": 0.9999}, r"budget\.sparsity: 0\.9999 cannot be met: the largest possible is 0\.99\d+, with"),
    ]
    for budget, message in cases:
        with pytest.raises(ConfigurationError, match=message):
            Prune(budget=budget).compress(baseline, sample, seed=0, progress=no_training)


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        ({}, "exactly one of sparsity, macs, parameters"),
        ({"macs": 0.5, "sparsity": 0.5}, "exactly one of"),
        ({"macs": 0}, r"budget\.macs: input should be greater than 0"),
        ({"sparsity": 1}, r"budget\.sparsity: input should be less than 1"),
        ({"flops": 0.5}, r"budget\.flops: unknown key"),
        ({"macs": 50}, r"budget\.macs: input should be less than or equal to 1, not 50; did you mean 0\.5\?$"),
        ({"sparsity": 90}, r"budget\.sparsity: input should be less than 1, not 90; did you mean 0\.9\?$"),
        ({"bytes": 50}, r"budget\.bytes: a share is at most 1, .* not 50; did you mean 0\.5\?$"),
        ({"bytes": 60000}, r"budget\.bytes: a share is at most 1, .*; did you mean '60000 B'\?$"),
        ({"bytes": "60 kb"}, r"budget\.bytes: expected a share such as 0\.5, or a size such as '60 kB', not '60 kb'"),
        ({"bytes": "0 kB"}, r"budget\.bytes: expected a share"),
        ({"bytes": True}, r"budget\.bytes: expected a share"),
    ],
)
def test_bad_budgets_are_refused_by_name(budget: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Prune.parse({"budget": budget})


def test_a_model_without_weights_to_prune_is_refused(sample: Dataset) -> None:
    variant = Variant.of(nn.Sequential(nn.Flatten(), nn.LayerNorm(64)), input_shape=(1, 8, 8), classes=10)
    with pytest.raises(ModelError, match="no convolution or linear layer"):
        Prune().compress(variant, sample, seed=0)


def test_rounds_prune_along_the_cubic_curve(
    baseline: Variant, sample: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    from brinell.compressors.training_stages import Stages

    def fit(self: Stages, stage: int, module: nn.Module, **rest: object) -> None:
        zeros = sum(int((weight == 0).sum()) for weight in float_weights(module).values())
        seen.append(zeros / sum(weight.numel() for weight in float_weights(module).values()))

    monkeypatch.setattr(Stages, "fit", fit)
    Prune(budget={"sparsity": 0.8}, rounds=3, train=Train(epochs=0)).compress(baseline, sample, seed=0)
    assert seen == pytest.approx([0.8 * (1 - (2 / 3) ** 3), 0.8 * (1 - (1 / 3) ** 3), 0.8], abs=2e-3)


def test_pruning_again_keeps_the_zeros(baseline: Variant, sample: Dataset) -> None:
    once = Prune(budget={"sparsity": 0.5}, train=QUICK).compress(baseline, sample, seed=0)
    twice = Prune(budget={"sparsity": 0.7}, train=QUICK).compress(once, sample, seed=0)
    for name, weight in weights(once).items():
        assert not weights(twice)[name][weight == 0].any()
    assert [step.kind for step in twice.lineage] == ["prune", "prune"]


@given(
    sizes=st.lists(st.integers(5, 200), min_size=1, max_size=6),
    prices=st.lists(st.integers(1, 50), min_size=6, max_size=6),
    share=st.floats(0.25, 1.0),
)
def test_counts_spend_the_budget_and_no_more(sizes: list[int], prices: list[int], share: float) -> None:
    names = [f"layer{index}" for index in range(len(sizes))]
    priced = dict(zip(names, map(float, prices), strict=False))
    whole = sum(size * priced[name] for name, size in zip(names, sizes, strict=True))
    terms = tuple(Term(size * priced[name], (name,)) for name, size in zip(names, sizes, strict=True))
    resolved = ResolvedBudget(dict(zip(names, sizes, strict=True)), Cost(0.0, terms), share * whole)
    assert resolved.share == pytest.approx(share)
    counts = resolved.counts(dict.fromkeys(names, resolved.share))
    spent = sum(counts[name] * priced[name] for name in names)
    assert spent <= share * whole * (1 + 1e-9)
    near = spent >= share * whole * (1 - 1e-3)
    for name, size in zip(names, sizes, strict=True):
        assert counts[name] > share * size - 1 - 1e-5
        assert near or counts[name] == size or spent + priced[name] > share * whole  # nothing more fits


@given(st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=50), st.data())
def test_largest_chooses_exactly_so_many(values: list[float], data: st.DataObject) -> None:
    count = data.draw(st.integers(0, len(values)))
    tensor = torch.tensor(values)
    chosen = top_k_mask(tensor, count)
    assert int(chosen.sum()) == count
    assert sorted(tensor[chosen].tolist()) == sorted(values)[len(values) - count :]


@pytest.mark.parametrize("size", ["60 kB", "60kB", "0.06 MB", "60000 B"])
def test_a_size_is_one_budget_however_it_is_written(size: str) -> None:
    found = Prune.parse({"budget": {"bytes": size}})
    assert found.budget.size == 60_000
    assert Prune.parse(found.config()) == found
    assert found.key == Prune(budget={"bytes": "60000 B"}).key


def test_the_file_is_as_small_as_the_size_that_was_asked_for(baseline: Variant, sample: Dataset) -> None:
    whole = count_bytes(baseline)
    asked = whole // 2
    child = Prune(budget={"bytes": f"{asked} B"}, train=QUICK).compress(baseline, sample, seed=0)
    assert asked * 0.9 < count_bytes(child) < asked * 1.03
    for size, message in (
        (whole * 2, "are no budget: the file has"),
        (300, r"the smallest possible is [\d,]+ B, with"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            Prune(budget={"bytes": f"{size} B"}).compress(baseline, sample, seed=0)


def test_a_budget_is_written_as_it_was_given() -> None:
    assert Prune(budget={"sparsity": "1/2"}).config()["budget"] == {"sparsity": 0.5}
    assert Budget(macs=0.5) != Budget(parameters=0.5)
