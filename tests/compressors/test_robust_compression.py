"""Algorithm 1 is its parts, one after the other."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from brinell import container
from brinell.compressors import DNS, INQ, RobustCompression
from brinell.compressors.checks.float_layers import float_weights
from brinell.core import ConfigurationError, no_progress
from brinell.data import Dataset
from brinell.training import Adversarial, Distillation, Train, checkpoint_intervals, histories
from brinell.variants import Variant

QUICK = Train(epochs=1, batch_size=50, learning_rate=0.02)
SETTING = RobustCompression(
    sparsity=0.6, weight_bits=4, shares=(0.5, 0.8, 1), surgery_epochs=2, surgery_rate=0.05, train=QUICK
)


def weights(variant: Variant) -> dict[str, Tensor]:
    return {name: weight.detach() for name, weight in float_weights(variant.deployed()).items()}


@pytest.fixture(scope="module")
def whole(baseline: Variant, sample: Dataset) -> Variant:
    return SETTING.compress(baseline, sample, seed=0)


def test_it_is_surgery_and_then_adversarial_quantisation(whole: Variant, baseline: Variant, sample: Dataset) -> None:
    dns = DNS(sparsity=0.6, train=QUICK.model_copy(update={"epochs": 2, "learning_rate": 0.05}))
    inq = INQ(weight_bits=4, shares=(0.5, 0.8, 1), train=QUICK.model_copy(update={"adversarial": Adversarial()}))
    parts = inq.compress(dns.compress(baseline, sample, seed=0), sample, seed=0)
    assert all(torch.equal(tensor, parts.tensors[name]) for name, tensor in whole.tensors.items())
    assert SETTING.epochs == dns.epochs + inq.epochs == 2 * 2 + 3


def test_both_parts_learn_the_answers_of_the_network_before_either(baseline: Variant, sample: Dataset) -> None:
    train = QUICK.model_copy(update={"distillation": Distillation(), "batch_size": 100})
    setting = RobustCompression(sparsity=0.6, shares=(0.5, 1), surgery_epochs=1, adversarial=None, train=train)
    whole = setting.compress(baseline, sample, seed=0)
    surgery = train.model_copy(update={"learning_rate": setting.surgery_rate})
    pruned = DNS(sparsity=0.6, train=surgery).compress(baseline, sample, seed=0)
    inq = INQ(weight_bits=3, shares=(0.5, 1), train=train)
    run = {"seed": 0, "device": "cpu", "checkpoint": None, "progress": no_progress}
    parts, alone = (inq._compress(pruned, sample, **run, teacher=teacher) for teacher in (baseline, None))
    assert all(torch.equal(tensor, parts.tensors[name]) for name, tensor in whole.tensors.items())
    assert not all(torch.equal(tensor, alone.tensors[name]) for name, tensor in whole.tensors.items())


def test_the_step_tells_of_both(whole: Variant) -> None:
    (step,) = whole.lineage
    assert step.kind == "robust_compression"
    assert step.figures["surgery_sparsity"] == pytest.approx(0.6, abs=0.001)
    assert step.figures["sparsity"] >= step.figures["surgery_sparsity"]  # small weights were quantised to zero
    assert step.figures["steps"] == 3
    assert sum(step.figures["surgery"]["pruned"]) > 0


def test_weights_are_zeros_and_powers_of_two_and_the_file_is_small(
    whole: Variant, baseline: Variant, tmp_path: Path
) -> None:
    for weight in weights(whole).values():
        mantissa, _ = torch.frexp(weight[weight != 0].abs())
        assert torch.equal(mantissa, torch.full_like(mantissa, 0.5))
        assert len(weight.unique()) <= 9
    before = container.write(baseline, tmp_path / "before.brinell")
    assert container.write(whole, tmp_path / "after.brinell") < before / 2.5
    loaded = container.load(tmp_path / "after.brinell")
    assert all(torch.equal(tensor, whole.tensors[name]) for name, tensor in loaded.tensors.items())


def test_without_adversarial_examples_it_is_the_control(whole: Variant, baseline: Variant, sample: Dataset) -> None:
    control = SETTING.model_copy(update={"adversarial": None})
    other = control.compress(baseline, sample, seed=0)
    assert any(not torch.equal(tensor, other.tensors[name]) for name, tensor in whole.tensors.items())
    assert control.key != SETTING.key


@pytest.mark.parametrize("calls", [3, 15, 32])
def test_a_kill_in_any_stage_changes_nothing(
    calls: int, whole: Variant, baseline: Variant, sample: Dataset, tmp_path: Path
) -> None:
    left = calls

    def kill(label: str, done: float, total: float) -> None:
        nonlocal left
        left -= 1
        if not left:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), checkpoint_intervals():
        SETTING.compress(baseline, sample, seed=0, checkpoint=tmp_path, progress=kill)
    resumed = SETTING.compress(baseline, sample, seed=0, checkpoint=tmp_path)
    assert all(torch.equal(tensor, resumed.tensors[name]) for name, tensor in whole.tensors.items())
    assert [history.stage for history in histories(tmp_path)] == ["dns 1/2", "dns 2/2", "inq 1/3", "inq 2/3", "inq 3/3"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"sparsity": 1.5}, "sparsity"),
        ({"weight_bits": 1}, "weight_bits: input should be greater than or equal to 2"),
        ({"shares": [0.5]}, "rise to exactly 1"),
        ({"adversarial": {"weight": 0}}, r"adversarial\.weight: input should be greater than 0"),
    ],
)
def test_bad_settings_are_refused_by_name(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        RobustCompression.parse(fields)
