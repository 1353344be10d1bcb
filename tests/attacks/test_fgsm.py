"""FGSM against its formula, and the published figures on real images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import brinell
from brinell.attacks import FGSM, run_trial
from brinell.core import ConfigurationError, Point
from brinell.testing.linear_problems import many_classes, two_classes


def crafted(problem, attack, **options):
    result = run_trial(
        problem.network,
        problem.network,
        problem.images,
        problem.labels,
        problem.ids,
        attack,
        keep_images=True,
        **options,
    )
    return result.adversarials[0]


@pytest.mark.parametrize("label", ["true", "predicted"])
def test_is_the_formula(label: str) -> None:
    problem = many_classes()
    problem.labels[::2] = (problem.labels[::2] + 1) % 5  # misclassified: the two labels then differ
    images = problem.images.clone().requires_grad_()
    logits = problem.network(images)
    chosen = problem.labels if label == "true" else logits.argmax(1)
    (gradient,) = torch.autograd.grad(F.cross_entropy(logits, chosen), images)
    expected = (images + 0.03 * gradient.sign()).clamp(0, 1).detach()
    torch.testing.assert_close(crafted(problem, FGSM(epsilon=0.03, label=label)), expected)


def test_targeted_goes_down_the_targets_loss() -> None:
    problem = many_classes()
    targets = (problem.labels + 2) % 5
    images = problem.images.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(F.cross_entropy(problem.network(images), targets), images)
    expected = (images - 0.03 * gradient.sign()).clamp(0, 1).detach()
    torch.testing.assert_close(crafted(problem, FGSM(epsilon=0.03), targets=targets), expected)


def test_all_epsilons_take_one_gradient() -> None:
    problem = two_classes()
    calls = []
    problem.network.register_full_backward_hook(lambda *_: calls.append(1))
    points = [Point(epsilon / 255, 1) for epsilon in (2, 4, 8, 16)]
    rows = run_trial(
        problem.network, problem.network, problem.images, problem.labels, problem.ids, FGSM(epsilon=0), points=points
    ).rows
    assert set(rows["forwards"]) == set(rows["backwards"]) == {1}
    assert rows["epsilon"].reshape(4, -1)[:, 0].tolist() == [point.epsilon for point in points]
    np.testing.assert_allclose(rows["linf"].reshape(4, -1).max(1), [p.epsilon for p in points], rtol=1e-5)


def test_steps_cannot_be_swept() -> None:
    with pytest.raises(ConfigurationError, match=r"fgsm\.sweep\.steps: this attack sweeps epsilon"):
        FGSM(epsilon=0.1).at(Point(0.1, 2))


@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "weights", "clean", "robust"),
    [("resnet20", "resnet20-12fca82f.th", 404, 61), ("resnet56", "resnet56-4bfd9763.th", 410, 64)],
)
def test_published_networks_on_real_images(shared: Path, kind: str, weights: str, clean: int, robust: int) -> None:
    """Counted beforehand with plain PyTorch on the same 500 images, of which one may lie on a boundary."""
    model = brinell.models.build(kind, weights=shared / "weights" / weights)
    images, labels = brinell.data.build("cifar10", root=shared / "data/cifar10-jpeg", split="test").tensors()
    outcome = brinell.attack(model, images[:500], labels[:500], FGSM(epsilon=2 / 255))
    assert 500 * outcome.clean_accuracy == pytest.approx(clean, abs=1)
    assert 500 * outcome.robust_accuracy == pytest.approx(robust, abs=1)


def test_a_radius_beyond_the_images_is_a_slip() -> None:
    with pytest.raises(ConfigurationError, match=r"attacks\.fgsm: epsilon 8 is beyond .* write 8/255"):
        FGSM.parse({"epsilon": 8}, "attacks.fgsm")
    with pytest.raises(ConfigurationError, match="epsilon 16 is beyond"):
        FGSM(epsilon=0.1).at(Point(16.0, 1))
    assert FGSM(epsilon=2, norm="l2").epsilon == 2  # an image is longer than its side
