"""The masking probe on networks whose robustness is known to be real, and on ones that are known to pretend.

Thresholds were calibrated on `MASKED` and `HONEST`. Of the others only the distilled and the residual network are truly
unseen: forms of the noisy, the linear and the tanh one were tried while the probe was written (docs/masking.md).
"""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import brinell
from brinell.compressors import XNORNet
from brinell.core import DataError
from brinell.nn import BinaryConv2d
from brinell.probes import Masking, ProbeInput, masking, masking_case, masking_checks
from brinell.testing.linear_problems import two_classes
from brinell.training import Train, fit
from brinell.variants import Variant

EPSILON = 16 / 255
TRAIN = Train(epochs=12, batch_size=64, learning_rate=0.03, augment="shift")


class Through(nn.Module):
    """A network behind something that happens to its images."""

    def __init__(self, network: nn.Module, change, factor: float = 1.0) -> None:
        super().__init__()
        self.network, self.change, self.factor = network, change, factor

    def forward(self, images: Tensor) -> Tensor:
        return self.network(self.change(images)) * self.factor


def convolutional(activation: type[nn.Module] = nn.ReLU) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        activation(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(128, 10),
    )


def trained(network: nn.Module, loss=None) -> nn.Module:
    fit(network, brinell.data.build("digits", split="train"), TRAIN, seed=0, loss=loss)
    return network.eval()


def adversarially(network: nn.Module) -> nn.Module:
    """A short loop of training on PGD's images, written out: three steps of half an epsilon."""
    images, labels = brinell.data.build("digits", split="train").tensors()
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    for epoch in range(12):
        order = torch.randperm(len(images), generator=torch.Generator().manual_seed(epoch))
        for index in order.split(64):
            moved = images[index]
            for _ in range(3):
                moved = moved.detach().requires_grad_()
                (gradient,) = torch.autograd.grad(F.cross_entropy(network(moved), labels[index]), moved)
                moved = (moved + EPSILON / 2 * gradient.sign()).clamp(images[index] - EPSILON, images[index] + EPSILON)
            optimizer.zero_grad()
            F.cross_entropy(network(moved.detach().clamp(0, 1)), labels[index]).backward()
            optimizer.step()
    return network.eval()


@pytest.fixture(scope="module")
def ordinary() -> nn.Module:
    return trained(convolutional())


@pytest.fixture(scope="module")
def examples() -> tuple[Tensor, Tensor]:
    return brinell.data.build("digits", split="test", examples=150).tensors()


def hot(module: nn.Module, batch) -> Tensor:
    """Cross-entropy at a temperature of 100, times 100 so that its gradients are of ordinary size."""
    return 100 * F.cross_entropy(module(batch.images) / 100, batch.labels)


MASKED = {
    "logits times 1000": lambda ordinary: Through(ordinary, lambda x: x, 1000.0),
    "a rounding layer": lambda ordinary: Through(ordinary, lambda x: (x * 8).round() / 8),
    "saturated activations": lambda ordinary: trained(Through(convolutional(), lambda x: (200 * (x - 0.5)).sigmoid())),
}
HONEST = {
    "ordinary": lambda ordinary: ordinary,
    "adversarially trained": lambda ordinary: adversarially(convolutional()),
    "fully connected": lambda ordinary: trained(
        nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
    ),
}
UNSEEN_MASKED = {
    "distilled at a temperature of 100": lambda ordinary: trained(convolutional(), loss=hot),
    "a noisy layer": lambda ordinary: Through(ordinary, lambda x: x + 0.1 * torch.randn_like(x)),
}
UNSEEN_HONEST = {
    "linear": lambda ordinary: trained(nn.Sequential(nn.Flatten(), nn.Linear(64, 10))),
    "tanh": lambda ordinary: trained(convolutional(nn.Tanh)),
    "residual": lambda ordinary: trained(brinell.models.build("resnet8", width=8)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", [*MASKED, *UNSEEN_MASKED])
def test_masked_networks_are_found_out(name: str, ordinary: nn.Module, examples: tuple[Tensor, Tensor]) -> None:
    network = {**MASKED, **UNSEEN_MASKED}[name](ordinary)
    verdict = masking.check_gradient_masking(network, *examples, epsilon=EPSILON, reference=ordinary)
    assert verdict.masked, verdict
    assert verdict.summary.startswith("The gradients are masked: ")
    assert verdict.robust_accuracy <= verdict.reported


LIKE_ANOTHER = {"fully connected", "tanh"}
"""Honest networks that the probe reads as it reads the linear and the ordinary one."""


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.cross) if name in LIKE_ANOTHER else name
        for name in (*HONEST, *UNSEEN_HONEST)
    ],
)
def test_honest_networks_raise_no_alarm(name: str, ordinary: nn.Module, examples: tuple[Tensor, Tensor]) -> None:
    network = {**HONEST, **UNSEEN_HONEST}[name](ordinary)
    verdict = masking.check_gradient_masking(
        network, *examples, epsilon=EPSILON, reference=None if name == "ordinary" else ordinary
    )
    assert not verdict.masked, verdict.summary
    assert verdict.summary.startswith("No sign of masked gradients")
    assert verdict.reported - verdict.robust_accuracy < 0.1


@pytest.mark.slow
def test_a_binary_network_is_tried_with_every_surrogate_and_left_as_it_was(examples: tuple[Tensor, Tensor]) -> None:
    train = brinell.data.build("digits", split="train")
    model = brinell.models.build("resnet8")
    fit(model, train, TRAIN.model_copy(update={"epochs": 3}), seed=0)
    recipe = Train(epochs=3, batch_size=64, learning_rate=2e-3, optimizer="adamw", weight_decay=0)
    variant = brinell.compress(model, XNORNet(train=recipe), train_data=train)
    module = variant.view()
    images, labels = examples
    verdict = masking.check_gradient_masking(module, images[:60], labels[:60], epsilon=EPSILON)
    tried = [item.check for item in verdict.evidence if item.check.startswith("the surrogate gradient")]
    assert len(tried) == 5
    assert all(layer.surrogate == "clip" for layer in module.modules() if isinstance(layer, BinaryConv2d))
    assert verdict.robust_accuracy < verdict.reported


def test_a_network_that_is_never_right_has_nothing_to_verify() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    images, _ = brinell.data.build("digits", split="test", examples=20).tensors()
    with torch.no_grad():
        wrong = (network(images).argmax(1) + 1) % 10
    with pytest.raises(DataError, match="none of these images correctly"):
        masking.check_gradient_masking(network, images, wrong, epsilon=0.1)


@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_the_record_holds_the_evidence(scale: float) -> None:
    """A linear network is honest; its logits times 10,000 saturate the softmax, which the record says."""
    problem = two_classes()
    network = nn.Sequential(problem.network, Scale(scale))
    variant = Variant.of(network, input_shape=(3, 4, 4), classes=2)
    epsilon = float(problem.radius["linf"].median())
    asked = ProbeInput(variant, problem.images, problem.labels, problem.ids, reference=variant)
    answer = Masking(epsilon=epsilon).ask(asked)
    assert answer.arrays is None
    record = json.loads(json.dumps(answer.record, allow_nan=False))
    assert (record["examples"], record["epsilon"]) == (40, epsilon)
    assert record["masked"] == (scale > 1)
    for item in record["evidence"]:
        assert set(item) == {"check", "value", "threshold", "suspicious", "says"}
        assert item["suspicious"] == (item["value"] > item["threshold"])
        assert ("would be suspicious" in item["says"]) != item["suspicious"]
    reasons = [item["says"] for item in record["evidence"] if item["suspicious"]]
    assert all(reason in record["summary"] for reason in reasons)
    assert "transfer from the reference" in {item["check"] for item in record["evidence"]}


class Brightness(nn.Module):
    """Class 0 for images whose mean is above `level`."""

    def __init__(self, level: float) -> None:
        super().__init__()
        self.level = nn.Parameter(torch.tensor(level))

    def forward(self, images: Tensor) -> Tensor:
        gap = 1e3 * (images.mean((1, 2, 3)) - self.level)
        return torch.stack((gap, -gap), 1)


@pytest.mark.parametrize("epsilon", [0.05 / 255, 0.2 / 255, 0.7 / 255, 4 / 255, 0.3, 0.6, 1.0])
def test_the_worst_case_is_exact_at_any_radius(epsilon: float) -> None:
    """A change of 0.8 radii breaks the first 120 images, more than are searched, one of 3 radii the others."""
    chance = torch.Generator().manual_seed(0)
    gaps = torch.cat((torch.full((120,), 0.8), torch.full((30,), 3.0))) * epsilon
    base = 0.5 + 0.3 * torch.rand(150, 3, 4, 4, generator=chance)
    level = 0.5 if epsilon < 0.1 else 0.05
    images = (base - base.mean((1, 2, 3), keepdim=True) + (level + gaps.clamp_max(0.4))[:, None, None, None]).clamp(
        0, 1
    )
    network, labels = Brightness(level), torch.zeros(150, dtype=torch.int64)
    verdict = masking.check_gradient_masking(network, images, labels, epsilon=epsilon)
    fallen = images.mean((1, 2, 3)) - (images - (images - epsilon).clamp_min(0)).mean((1, 2, 3)) < level
    assert fallen[:120].all()
    assert verdict.robust_accuracy == pytest.approx(float((~fallen).double().mean()))
    assert verdict.robust_accuracy <= verdict.reported <= verdict.clean_accuracy == 1.0


def test_a_worst_case_above_a_figure_that_it_saw_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masking_case, "_counts", lambda point, far, epsilon: np.zeros(far.shape, dtype=bool))
    monkeypatch.setattr(masking, "CHECKS", masking_checks.CHECKS[:-1])  # the searches know their own images
    problem = two_classes()
    with pytest.raises(
        AssertionError, match=r"the worst case, 100\.0%, is above 0\.0%, which an attack within the radius"
    ):
        masking.check_gradient_masking(
            problem.network, problem.images, problem.labels, epsilon=float(problem.radius["linf"].max()) * 1.1
        )


def test_a_module_in_training_mode_is_judged_as_in_evaluation_mode() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.Dropout(0.5), nn.Flatten(), nn.Linear(288, 10))
    images, _ = brinell.data.build("digits", split="test", examples=40).tensors()
    with torch.no_grad():
        labels = network.eval()(images).argmax(1)
    verdicts = [
        masking.check_gradient_masking(network.train(mode), images, labels, epsilon=2 / 255) for mode in (False, True)
    ]
    assert verdicts[0] == verdicts[1]
    assert network.training
    assert all(layer.training for layer in network)


def test_square_breaks_what_has_no_gradient_and_is_evidence() -> None:
    """Behind a staircase every gradient is zero, so that PGD stays where it begins: with too few pixels a step down."""
    images = torch.full((40, 3, 4, 4), 0.5 + 0.5 / 255)
    images += torch.linspace(0, 1 / 255, 40)[:, None, None, None]
    network = nn.Sequential(Staircase(), Brightness(0.5 - 0.65 / 16))
    verdict = masking.check_gradient_masking(network, images, torch.zeros(40, dtype=torch.int64), epsilon=4 / 255)
    found = {item.check: item for item in verdict.evidence}["Square"]
    assert (found.found, found.suspicious) == (1.0, True)
    assert verdict.robust_accuracy == 0.0


@pytest.mark.parametrize(("factor", "share"), [(1.0, 0.0), (-1.0, 1.0), (3.0, 1.0), (1e-42, 1.0)])
def test_a_gradient_that_differences_contradict_is_evidence(factor: float, share: float) -> None:
    """The margin of a linear network changes exactly as its gradient says, and not as one that is `factor` times it."""
    problem = two_classes()
    network = nn.Sequential(WrongGradient(factor), problem.network)
    epsilon = float(problem.radius["linf"].median())
    verdict = masking.check_gradient_masking(network, problem.images, problem.labels, epsilon=epsilon)
    found = {item.check: item for item in verdict.evidence}["gradient against differences"]
    assert (found.found, found.suspicious) == (share, share > 0)


class WrongGradient(nn.Module):
    """The images; their gradient is multiplied by a factor."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, images: Tensor) -> Tensor:
        scaled = self.factor * images
        return scaled + (images - scaled).detach()


def test_a_network_without_any_gradient_is_masked_and_searched_by_scores() -> None:
    images = torch.full((40, 3, 4, 4), 0.5) + torch.linspace(0, 1 / 255, 40)[:, None, None, None]
    network = nn.Sequential(Compared(), Brightness(0.3))
    labels = torch.zeros(40, dtype=torch.int64)
    verdict = masking.check_gradient_masking(network, images, labels, epsilon=4 / 255, reference=Brightness(0.5))
    found = {item.check: item for item in verdict.evidence}
    assert found["no gradient"].suspicious
    assert set(found) == {"randomness", "no gradient", "transfer from the reference", "Square", "gradient-free search"}
    assert verdict.reported == 1.0
    assert verdict.robust_accuracy == 0.0


class Compared(nn.Module):
    """Ones and zeros that have no derivative at all."""

    def forward(self, images: Tensor) -> Tensor:
        return (images > 0.5 - 3 / 255).to(images)


class Staircase(nn.Module):
    """Sixteen levels a channel."""

    def forward(self, images: Tensor) -> Tensor:
        return (images * 16).floor() / 16


class Scale(nn.Module):
    """Logits times a factor."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, logits: Tensor) -> Tensor:
        return logits * self.factor


class NoTruth(nn.Sequential):
    """As what `torch.compile` makes, it can be asked for its length, and raises."""

    def __len__(self) -> int:
        raise TypeError("has no length")


def test_a_reference_that_has_no_truth_value_is_attacked_as_any() -> None:
    torch.manual_seed(0)
    layers = (nn.Flatten(), nn.Linear(64, 10))
    images, labels = brinell.data.build("digits", split="test", examples=20).tensors()
    network = nn.Sequential(*layers).eval()
    found = [
        masking.check_gradient_masking(network, images, labels, epsilon=EPSILON, reference=kind(*layers).eval()).summary
        for kind in (nn.Sequential, NoTruth)
    ]
    assert found[0] == found[1]
