"""Distillation: the loss against its formula, and which students are accepted."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from brinell.compressors import Distill
from brinell.core import ConfigurationError, ModelError, derive_seed
from brinell.data import Dataset
from brinell.models import ResNet8
from brinell.training import Adversarial, Batch, Train, accuracy, divergence, fit
from brinell.variants import Variant

QUICK = Train(epochs=3, batch_size=30, learning_rate=0.1)


def test_the_divergence_is_the_formula() -> None:
    student, teacher = (
        torch.tensor([[1.0, -2.0, 0.5], [0.0, 3.0, 1.0]]),
        torch.tensor([[2.0, 0.0, 1.0], [1.0, 1.0, 1.0]]),
    )
    for temperature in (1.0, 4.0, 30.0):
        total = 0.0
        for row in range(2):
            soft = [[math.exp(float(z) / temperature) for z in logits[row]] for logits in (teacher, student)]
            p, q = ([value / sum(values) for value in values] for values in soft)
            total += sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
        assert float(divergence(student, teacher, temperature)) == pytest.approx(total / 2, rel=1e-3, abs=1e-8)
    assert float(divergence(teacher, teacher, 30.0)) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("fields", "soft", "hard"),
    [
        ({"temperature": 4, "temperature_squared": False}, 1.0, 0.0),
        ({"temperature": 4}, 16.0, 0.0),
        ({"temperature": 4, "hard_label_weight": 0.25}, 12.0, 0.25),
        ({"hard_label_weight": 1}, 0.0, 1.0),
    ],
)
def test_the_loss_is_the_weighted_sum(fields: dict[str, Any], soft: float, hard: float) -> None:
    student, teacher = nn.Linear(4, 3), nn.Linear(4, 3)
    batch = Batch(torch.rand(5, 4), torch.tensor([0, 1, 2, 0, 1]), torch.arange(5), 0, 0)
    compressor = Distill(**fields)
    expected = soft * divergence(student(batch.images), teacher(batch.images), compressor.temperature)
    expected = expected + hard * nn.functional.cross_entropy(student(batch.images), batch.labels)
    torch.testing.assert_close(compressor._loss(teacher)(student, batch), expected)


def test_on_hard_labels_alone_it_is_plain_training(baseline: Variant, sample: Dataset) -> None:
    child = Distill(hard_label_weight=1, train=QUICK).compress(baseline, sample, seed=4)
    module = ResNet8(width=4).module(derive_seed(4, "student"))
    fit(module, sample, QUICK, seed=derive_seed(4, "distill", 1))
    for name, tensor in module.state_dict().items():
        assert torch.equal(tensor, child.tensors[name]), name


def test_a_student_learns_what_only_the_teacher_knows(baseline: Variant, sample: Dataset) -> None:
    blind = Dataset(
        "blind", "train", sample.images, torch.zeros_like(sample.labels), sample.ids, sample.class_names, "b"
    )
    train = Train(epochs=12, batch_size=32, learning_rate=0.1, schedule="one_cycle")
    student = Distill(train=train).compress(baseline, blind, seed=0)
    assert accuracy(baseline.deployed(), sample) > 0.95
    assert accuracy(student.deployed(), sample) > 0.9


def test_the_student_may_be_another_architecture(baseline: Variant, sample: Dataset) -> None:
    child = Distill(student={"kind": "resnet8", "width": 2}, train=QUICK).compress(baseline, sample, seed=0)
    assert child.architecture == ResNet8(width=2)
    assert child.deployed()(torch.zeros(1, 1, 8, 8)).shape == (1, 10)
    figures = child.lineage[-1].figures
    assert figures["student_parameters"] == sum(p.numel() for p in ResNet8(width=2).module().parameters())


def test_students_that_do_not_fit_are_refused(baseline: Variant, sample: Dataset) -> None:
    cases = [
        (Distill(student=ResNet8(classes=7)), ModelError, "7 classes; the teacher has 10"),
        (Distill(student={"kind": "resnet20"}), ModelError, "3 channels; the teacher takes 1"),
        (Distill(student=ResNet8(), initialize="teacher"), ConfigurationError, "own architecture"),
    ]
    for compressor, error, message in cases:
        with pytest.raises(error, match=message):
            compressor.compress(baseline, sample, seed=0)
    with pytest.raises(ConfigurationError, match=r"student\.kind: unknown model 'resnt8'; did you mean 'resnet8'"):
        Distill.parse({"student": "resnt8"})


def test_a_student_starts_from_its_checkpoint(baseline: Variant, sample: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "student.safetensors"
    save_file(baseline.trainable().state_dict(), path)
    train = QUICK.model_copy(update={"learning_rate": 1e-6})
    compressor = Distill(student=ResNet8(width=4), student_weights=path, train=train)
    assert accuracy(compressor.compress(baseline, sample, seed=0).deployed(), sample) > 0.95
    copied = shutil.copy(path, tmp_path / "copy.safetensors")
    assert Distill(student=ResNet8(width=4), student_weights=copied, train=train).key == compressor.key
    assert Distill(student=ResNet8(width=4), train=train).key != compressor.key


def test_a_students_checkpoint_must_fit(baseline: Variant, sample: Dataset, tmp_path: Path) -> None:
    save_file({"x": torch.zeros(1)}, tmp_path / "other.safetensors")
    for path, message in (
        ("none.th", "student_weights: no file at"),
        ("other.safetensors", "another architecture than"),
    ):
        compressor = Distill(student=ResNet8(width=4), student_weights=tmp_path / path)
        with pytest.raises(ModelError, match=message):
            compressor.architecture_from(ResNet8(width=4))
        with pytest.raises(ModelError, match=message):
            compressor.compress(baseline, sample, seed=0)
    with pytest.raises(ConfigurationError, match="student_weights needs a named student"):
        Distill.parse({"student_weights": "weights.th"})


def test_from_the_teachers_weights_a_student_starts_as_good(baseline: Variant, sample: Dataset) -> None:
    train = QUICK.model_copy(update={"learning_rate": 1e-6})
    child = Distill(initialize="teacher", train=train).compress(baseline, sample, seed=0)
    assert accuracy(child.deployed(), sample) > 0.95
    fresh = Distill(train=Train(epochs=0)).compress(baseline, sample, seed=0)
    assert accuracy(fresh.deployed(), sample) < 0.5


def test_a_module_of_ones_own_is_made_anew(sample: Dataset) -> None:
    class Own(nn.Module):
        def __init__(self, offset: nn.Parameter | None = None) -> None:
            super().__init__()
            self.linear, self.offset = nn.Linear(64, 10), offset

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.linear(x.flatten(1))

    teacher = Variant.of(Own(), input_shape=(1, 8, 8), classes=10)
    still = QUICK.model_copy(update={"learning_rate": 1e-12})
    student = Distill(train=still).compress(teacher, sample, seed=0)
    assert not torch.allclose(student.tensors["linear.weight"], teacher.tensors["linear.weight"], atol=1e-3)
    odd = Variant.of(Own(nn.Parameter(torch.zeros(1))), input_shape=(1, 8, 8), classes=10)
    with pytest.raises(ConfigurationError, match=r"the module \(Own\) has parameters and no reset_parameters"):
        Distill(train=still).compress(odd, sample, seed=0)


@pytest.mark.parametrize(("shown", "expected"), [("clean", 0.0), ("adversarial", 1.0)])
def test_the_teacher_is_shown_what_is_asked_for(shown: str, expected: float) -> None:
    """Clean images are 0 and adversarial ones 1; the teacher's first logit is what it saw."""
    adversary = Adversarial(fraction=1)
    compressor = Distill(teacher_input=shown, temperature=1, train=Train(adversarial=adversary))
    images = torch.ones(2, 1)
    batch = Batch(images, torch.zeros(2, dtype=torch.int64), torch.arange(2), 0, 0, clean=torch.zeros(2, 1))
    seen = nn.Linear(1, 2, bias=False)
    seen.weight.data = torch.tensor([[1.0], [0.0]])
    student = nn.Linear(1, 2)
    teacher_logits = torch.tensor([[expected, 0.0]] * 2)
    found = compressor._loss(seen)(student, batch)
    torch.testing.assert_close(found, divergence(student(images), teacher_logits, 1.0))


def test_adversarial_distillation_learns_and_differs_by_what_the_teacher_sees(
    baseline: Variant, sample: Dataset
) -> None:
    train = QUICK.model_copy(update={"adversarial": Adversarial(epsilon=0.2, epsilon_rule="fixed")})
    one, other = (
        Distill(initialize="teacher", teacher_input=shown, train=train).compress(baseline, sample, seed=0)
        for shown in ("clean", "adversarial")
    )
    assert not torch.equal(one(sample.tensors()[0]), other(sample.tensors()[0]))


def test_adversarial_input_without_an_adversary_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"teacher_input 'adversarial' needs train\.adversarial"):
        Distill.parse({"teacher_input": "adversarial"})


def test_the_option_leaves_old_keys_where_they_were() -> None:
    assert "teacher_input" not in Distill().identity()
